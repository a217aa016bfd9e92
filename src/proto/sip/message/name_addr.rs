//! `"display" <uri>;params` and `uri;params` (RFC 3261 section 20.10 and 25.1).

use super::ParseError;
use crate::proto::sip::text::{self, error};
use crate::proto::sip::uri::{Uri, UriRef};
use core::fmt;

/// `"display" <uri>;params` or `uri;params`.
#[derive(Clone, Debug)]
pub struct NameAddr {
    /// Unquoted, unescaped.
    pub display: Option<Box<str>>,
    pub uri: Uri,
    /// The URI as it was written (for echoing).
    pub uri_text: Box<str>,
    /// Header parameters (tag, q, expires …), without quotes and escapes.
    pub params: Vec<(Box<str>, Option<Box<str>>)>,
}

impl NameAddr {
    pub fn parse(whole: &str) -> Result<NameAddr, ParseError> {
        let found = NameAddrRef::parse(whole)?;
        let params = text::parse_params(found.params)?;
        let display = found.display();
        Ok(NameAddr { display, uri: found.uri.own(), uri_text: found.uri_text.into(), params })
    }
    pub fn tag(&self) -> Option<&str> {
        self.param("tag")
    }
    pub fn param(&self, name: &str) -> Option<&str> {
        text::find_param(&self.params, name)?.as_deref()
    }
    pub fn has_param(&self, name: &str) -> bool {
        text::find_param(&self.params, name).is_some()
    }
}

/// A checked address as pieces of its text: nothing is copied.
pub(crate) struct NameAddrRef<'a> {
    /// As written, quotes included.
    display: Option<&'a str>,
    pub uri: UriRef<'a>,
    pub uri_text: &'a str,
    /// With the semicolon before the first.
    params: &'a str,
}

impl<'a> NameAddrRef<'a> {
    pub fn parse(whole: &'a str) -> Result<NameAddrRef<'a>, ParseError> {
        let value = text::trim(whole);
        let base = text::offset_in(whole, value);
        parse_trimmed(value).map_err(|e| e.shifted(base))
    }
    /// Unquoted, unescaped.
    pub fn display(&self) -> Option<Box<str>> {
        self.display.map(|name| match name.starts_with('"') {
            true => text::unquote(name).into(),
            false => name.into(),
        })
    }
}

fn parse_trimmed(value: &str) -> Result<NameAddrRef<'_>, ParseError> {
    let (display, open) = display_name(value)?;
    let Some(open) = open else { return bare(value) };
    let inside = &value[open + 1..];
    let close =
        memchr::memchr(b'>', inside.as_bytes()).ok_or(error(value.len(), "a closing angle bracket"))?;
    let uri_text = text::trim(&inside[..close]);
    let uri = UriRef::parse(uri_text).map_err(|e| e.shifted(text::offset_in(value, uri_text)))?;
    let after = open + 1 + close + 1;
    let params = &value[after..];
    text::check_params(params).map_err(|e| e.shifted(after))?;
    Ok(NameAddrRef { display, uri, uri_text, params })
}

/// The display name and where `<` stands. No white space is needed between them
/// (RFC 4475 section 3.1.1.6); unquoted names may hold what the grammar forbids (3.1.2.15).
fn display_name(value: &str) -> Result<(Option<&str>, Option<usize>), ParseError> {
    if value.starts_with('"') {
        let len = text::quoted_len(value).ok_or(error(value.len(), "a closing quote"))?;
        let rest = &value[len..];
        let gap = rest.len() - rest.trim_start_matches(text::is_lws).len();
        return match rest[gap..].starts_with('<') {
            true => Ok((Some(&value[..len]), Some(len + gap))),
            false => Err(error(len + gap, "an opening angle bracket")),
        };
    }
    match memchr::memchr(b'<', value.as_bytes()) {
        Some(open) => {
            let name = text::trim(&value[..open]);
            Ok(((!name.is_empty()).then_some(name), Some(open)))
        }
        None => Ok((None, None)),
    }
}

/// Without angle brackets parameters belong to the header, and a URI with `?` or `,` isn't allowed
/// (RFC 3261 section 20.10, RFC 4475 section 3.1.2.13).
fn bare(value: &str) -> Result<NameAddrRef<'_>, ParseError> {
    let end = value.find(';').unwrap_or(value.len());
    let uri_text = text::trim(&value[..end]);
    if let Some(at) = uri_text.find(['?', ',']) {
        return Err(error(at, "angle brackets around this URI"));
    }
    let uri = UriRef::parse(uri_text)?;
    let params = &value[end..];
    text::check_params(params).map_err(|e| e.shifted(end))?;
    Ok(NameAddrRef { display: None, uri, uri_text, params })
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::with_capacity(64);
        if let Some(display) = &self.display {
            text::push_quoted(&mut out, display);
            out.push(' ');
        }
        out.push('<');
        out.push_str(&self.uri_text);
        out.push('>');
        for (name, value) in &self.params {
            text::push_param(&mut out, name, value.as_deref());
        }
        f.write_str(&out)
    }
}
