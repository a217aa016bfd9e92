//! The scanner that all of SIP's texts share: tokens, quoted strings, comma lists and parameters
//! (RFC 3261 section 25.1). It borrows, never panics, and owns nothing.

use super::ParseError;
use crate::util::{find_byte, find_of_three};

/// Parameters as they are kept: the name as written, the value without quotes and escapes.
pub(crate) type Params = Vec<(Box<str>, Option<Box<str>>)>;

/// More parameters than this in one value are refused: nobody sends them, somebody floods with them.
const MAX_PARAMS: usize = 64;

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let marks = b"-.!%*_+`'~";
    let mut i = 0;
    while i < 256 {
        table[i] = (i as u8).is_ascii_alphanumeric();
        i += 1;
    }
    let mut i = 0;
    while i < marks.len() {
        table[marks[i] as usize] = true;
        i += 1;
    }
    table
};

pub(crate) const fn is_token_byte(b: u8) -> bool {
    TOKEN[b as usize]
}

pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Without the linear white space around it.
pub(crate) fn trim(text: &str) -> &str {
    let solid = |b: &u8| !is_lws(char::from(*b));
    let bytes = text.as_bytes();
    if bytes.first().is_some_and(solid) && bytes.last().is_some_and(solid) {
        return text;
    }
    let Some(start) = bytes.iter().position(solid) else { return "" };
    let end = bytes.iter().rposition(solid).map_or(start, |last| last + 1);
    &text[start..end]
}

pub(crate) fn is_lws(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

pub(crate) fn error(offset: usize, expected: &'static str) -> ParseError {
    ParseError { offset, expected }
}

/// How far `part` starts into `whole`, when it is a piece of it.
pub(crate) fn offset_in(whole: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len())
}

/// The first `wanted` that stands outside of quoted strings and angle brackets.
pub(crate) fn find_outside(text: &str, wanted: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        let rest = bytes.get(at..)?;
        let found = find_of_three(rest, [wanted, b'"', b'<'])?;
        let inside = &rest[found + 1..];
        at += found
            + 1
            + match rest[found] {
                b'"' => closing_quote(inside)? + 1,
                b'<' => find_byte(inside, b'>')? + 1,
                _ => return Some(at + found),
            };
    }
}

/// Where the quoted string ends that began before `inside`.
fn closing_quote(inside: &[u8]) -> Option<usize> {
    let mut i = 0;
    while let Some(&b) = inside.get(i) {
        match b {
            b'\\' => i += 1,
            b'"' => return Some(i),
            _ => {}
        }
        i += 1;
    }
    None
}

/// The elements of a comma list, trimmed; empty ones too.
pub(crate) struct List<'a>(Option<&'a str>);

impl<'a> List<'a> {
    pub(crate) fn new(text: &'a str) -> List<'a> {
        List(Some(text))
    }
    /// The first element, and what stands behind its comma.
    pub(crate) fn first_only(text: &'a str) -> (&'a str, Option<&'a str>) {
        match find_outside(text, b',') {
            Some(comma) => (trim(&text[..comma]), Some(&text[comma + 1..])),
            None => (trim(text), None),
        }
    }
}

impl<'a> Iterator for List<'a> {
    type Item = &'a str;
    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = List::first_only(self.0.take()?);
        self.0 = rest;
        Some(first)
    }
}

/// Length of the quoted string at the start of `text`, quotes included.
pub(crate) fn quoted_len(text: &str) -> Option<usize> {
    let inside = text.as_bytes().strip_prefix(b"\"")?;
    closing_quote(inside).map(|at| at + 2)
}

/// The content of a quoted string (given with its quotes), its backslashes resolved.
pub(crate) fn unquote(quoted: &str) -> String {
    let inner = quoted.strip_prefix('"').unwrap_or(quoted);
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

/// Appends `text` as a quoted string.
pub(crate) fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// `;name=value;name` (empty text: none). Empty parameters are refused (RFC 4475 section 3.1.2.1).
pub(crate) fn parse_params(text: &str) -> Result<Params, ParseError> {
    let mut params = Params::new();
    each_param(text, |name, value| params.push((name.into(), value.map(owned_value))))?;
    Ok(params)
}

/// The same checks, and nothing is kept.
pub(crate) fn check_params(text: &str) -> Result<(), ParseError> {
    each_param(text, |_, _| ())
}

/// The same checks; the first value of that name that says something, as it is written.
pub(crate) fn check_params_for<'a>(text: &'a str, name: &str) -> Result<Option<&'a str>, ParseError> {
    let mut found = None;
    each_param(text, |n, value| {
        if found.is_none() && n.eq_ignore_ascii_case(name) {
            found = value.filter(|value| !value.is_empty());
        }
    })?;
    Ok(found)
}

fn owned_value(value: &str) -> Box<str> {
    match value.starts_with('"') {
        true => unquote(value).into(),
        false => value.into(),
    }
}

/// Names and values, these with their quotes.
fn each_param<'a>(text: &'a str, mut take: impl FnMut(&'a str, Option<&'a str>)) -> Result<(), ParseError> {
    let (mut rest, mut count) = (trim(text), 0);
    while !rest.is_empty() {
        let at = offset_in(text, rest);
        let Some(after) = rest.strip_prefix(';') else {
            return Err(error(at, "a semicolon before a parameter"));
        };
        if count == MAX_PARAMS {
            return Err(error(at, "at most 64 parameters"));
        }
        count += 1;
        if let Some((name, value, len)) = plain_param(after) {
            take(name, value);
            rest = &after[len..];
            continue;
        }
        let end = find_outside(after, b';').unwrap_or(after.len());
        let (name, value) = split_param(&after[..end]);
        check_param(&after[..end], name, value).map_err(|e| error(at + 1 + e.offset, e.expected))?;
        take(name, value);
        rest = &after[end..];
    }
    Ok(())
}

/// A parameter as nearly all are, without white space, quotes or brackets, up to the next semicolon or the end: name,
/// value and length. None: it has to be looked at more closely.
fn plain_param(text: &str) -> Option<(&str, Option<&str>, usize)> {
    let bytes = text.as_bytes();
    let scan = |from: usize, plain: fn(u8) -> bool| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().position(|b| !plain(*b)).unwrap_or(rest.len())
    };
    let name = scan(0, is_token_byte);
    let end = match bytes.get(name) {
        Some(b'=') => scan(name + 1, is_plain_byte),
        _ => name,
    };
    if name == 0 || !matches!(bytes.get(end), None | Some(b';')) {
        return None;
    }
    let value = (end > name).then(|| &text[name + 1..end]);
    Some((&text[..name], value, end))
}

/// May stand in a value without being looked at more closely.
const fn is_plain_byte(b: u8) -> bool {
    is_token_byte(b) || matches!(b, b':' | b'[' | b']' | b'/' | b'@' | b'&' | b'$' | b'(' | b')' | b'#')
}

/// Name and value, trimmed.
fn split_param(text: &str) -> (&str, Option<&str>) {
    match memchr::memchr(b'=', text.as_bytes()) {
        Some(at) => (trim(&text[..at]), Some(trim(&text[at + 1..]))),
        None => (trim(text), None),
    }
}

fn check_param(text: &str, name: &str, value: Option<&str>) -> Result<(), ParseError> {
    if !is_token(name) {
        return Err(error(0, "a parameter name"));
    }
    let Some(value) = value else { return Ok(()) };
    let at = offset_in(text, value);
    if value.starts_with('"') {
        if quoted_len(value) != Some(value.len()) {
            return Err(error(at, "a closing quote"));
        }
        return Ok(());
    }
    if value.bytes().any(|b| matches!(b, b' ' | b'\t' | b'"' | b'<' | b'>' | b',')) {
        return Err(error(at, "a parameter value without white space"));
    }
    Ok(())
}

pub(crate) fn find_param<'a>(params: &'a Params, name: &str) -> Option<&'a Option<Box<str>>> {
    params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Appends `;name=value`, quoted where the value needs it.
pub(crate) fn push_param(out: &mut String, name: &str, value: Option<&str>) {
    out.push(';');
    out.push_str(name);
    let Some(value) = value else { return };
    out.push('=');
    let plain = |b: u8| is_token_byte(b) || matches!(b, b'[' | b']' | b':');
    match !value.is_empty() && value.bytes().all(plain) {
        true => out.push_str(value),
        false => push_quoted(out, value),
    }
}

/// The parameters of a header value as they are written, split outside of quotes; nothing is checked.
pub(crate) fn raw_params(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = find_outside(value, b';').map(|at| &value[at + 1..]);
    core::iter::from_fn(move || {
        let text = rest?;
        let end = find_outside(text, b';');
        rest = end.map(|at| &text[at + 1..]);
        Some(trim(&text[..end.unwrap_or(text.len())]))
    })
}

/// The bare value of a parameter behind an address or a sent-by, found without building anything.
pub(crate) fn raw_param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    raw_params(value).find_map(|param| {
        let (n, value) = split_param(param);
        value.filter(|value| n.eq_ignore_ascii_case(name) && !value.is_empty())
    })
}

/// Is there a parameter of that name, with a value or without?
pub(crate) fn has_raw_param(value: &str, name: &str) -> bool {
    raw_params(value).any(|param| split_param(param).0.eq_ignore_ascii_case(name))
}

/// The tag of a From or To value.
pub(crate) fn tag_of(value: &str) -> Option<&str> {
    raw_param(value, "tag")
}

/// Digits only, no sign, no white space; None beyond 64 bits.
pub(crate) fn parse_digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
