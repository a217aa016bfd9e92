//! Source descriptions (RFC 3550 section 6.5).

use super::u32_at;

/// Kinds of items.
pub mod item {
    pub const CNAME: u8 = 1;
    pub const NAME: u8 = 2;
    pub const EMAIL: u8 = 3;
    pub const PHONE: u8 = 4;
    pub const LOC: u8 = 5;
    pub const TOOL: u8 = 6;
    pub const NOTE: u8 = 7;
    pub const PRIV: u8 = 8;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SdesItem<'a> {
    /// See [`item`]; never 0.
    pub kind: u8,
    /// UTF-8 as a rule, at most 255 bytes.
    pub value: &'a [u8],
}

/// One source and what it says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chunk<'a> {
    pub ssrc: u32,
    items: &'a [u8],
}

impl<'a> Chunk<'a> {
    pub fn items(&self) -> impl Iterator<Item = SdesItem<'a>> + use<'a> {
        let mut rest = self.items;
        core::iter::from_fn(move || {
            let (item, behind) = next_item(rest)?;
            rest = behind;
            Some(item)
        })
    }
    pub fn item(&self, kind: u8) -> Option<&'a [u8]> {
        self.items().find(|i| i.kind == kind).map(|i| i.value)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sdes<'a> {
    count: u8,
    body: &'a [u8],
}

impl<'a> Sdes<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Result<Sdes<'a>, &'static str> {
        let mut rest = body;
        for _ in 0..count {
            let (_, behind) = next_chunk(rest).ok_or("as many whole source descriptions as counted")?;
            rest = behind;
        }
        Ok(Sdes { count, body })
    }
    pub fn chunks(&self) -> impl Iterator<Item = Chunk<'a>> + use<'a> {
        let mut rest = self.body;
        let mut left = self.count;
        core::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let (chunk, behind) = next_chunk(rest)?;
            rest = behind;
            Some(chunk)
        })
    }
    /// The canonical name of a source.
    pub fn cname(&self, ssrc: u32) -> Option<&'a [u8]> {
        self.chunks().find(|c| c.ssrc == ssrc)?.item(item::CNAME)
    }
}

/// A whole item and what follows it; None at the end of the list and for a cut one.
fn next_item(bytes: &[u8]) -> Option<(SdesItem<'_>, &[u8])> {
    let (&[kind, length], rest) = bytes.split_first_chunk::<2>()?;
    if kind == 0 {
        return None;
    }
    let value = rest.get(..usize::from(length))?;
    Some((SdesItem { kind, value }, rest.get(value.len()..)?))
}

/// A chunk that begins on a word and what follows it on the next word. A list that ends with the packet
/// instead of with a zero is taken as well.
fn next_chunk(bytes: &[u8]) -> Option<(Chunk<'_>, &[u8])> {
    let ssrc = u32_at(bytes, 0)?;
    let list = bytes.get(4..)?;
    let mut rest = list;
    while let Some((_, behind)) = next_item(rest) {
        rest = behind;
    }
    let length = list.len() - rest.len();
    match rest.first() {
        Some(0) | None => {}
        Some(_) => return None,
    }
    // One to four zeros up to the next word; as many as there are.
    let end = ((length + 4) & !3).min(list.len());
    Some((Chunk { ssrc, items: list.get(..length)? }, list.get(end..)?))
}
