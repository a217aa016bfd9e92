//! A text that lies in its owner when it is short, as nearly all pieces of a description are: no allocation for it.

use core::fmt;
use core::ops::Deref;

/// What fits beside the length in the room of three words.
const INLINE: usize = 22;

#[derive(Clone)]
enum Kind {
    Inline { len: u8, bytes: [u8; INLINE] },
    Heap(Box<str>),
}

/// As a `Box<str>`, but texts of up to 22 bytes need no heap.
#[derive(Clone)]
pub struct ShortText(Kind);

impl ShortText {
    pub const EMPTY: ShortText = ShortText(Kind::Inline { len: 0, bytes: [0; INLINE] });

    pub fn as_str(&self) -> &str {
        match &self.0 {
            Kind::Inline { len, bytes } => {
                let used = bytes.get(..usize::from(*len)).unwrap_or(bytes);
                // SAFETY: only `from` fills them, with the whole bytes of a str.
                unsafe { core::str::from_utf8_unchecked(used) }
            }
            Kind::Heap(text) => text,
        }
    }
}

impl From<&str> for ShortText {
    #[inline]
    fn from(text: &str) -> ShortText {
        let mut bytes = [0; INLINE];
        match bytes.get_mut(..text.len()) {
            Some(room) => {
                room.copy_from_slice(text.as_bytes());
                ShortText(Kind::Inline { len: text.len() as u8, bytes })
            }
            None => ShortText(Kind::Heap(text.into())),
        }
    }
}

impl From<String> for ShortText {
    fn from(text: String) -> ShortText {
        match text.len() <= INLINE {
            true => text.as_str().into(),
            false => ShortText(Kind::Heap(text.into())),
        }
    }
}

impl Deref for ShortText {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for ShortText {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Default for ShortText {
    fn default() -> ShortText {
        ShortText::EMPTY
    }
}

impl PartialEq for ShortText {
    fn eq(&self, other: &ShortText) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for ShortText {}

impl fmt::Debug for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_all_lengths_are_what_they_were_made_of() {
        for len in 0..60 {
            let text: String = "añ€".chars().cycle().take(len).collect();
            for short in [ShortText::from(text.as_str()), ShortText::from(text.clone())] {
                assert_eq!(&*short, text);
                assert_eq!(short.clone(), ShortText::from(text.as_str()));
                assert_eq!(format!("{short} {short:?}"), format!("{text} {text:?}"));
            }
        }
        assert_eq!(size_of::<ShortText>(), 24);
        assert_eq!(size_of::<Option<ShortText>>(), 24);
    }
}
