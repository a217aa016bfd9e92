//! Writing requests, and the writer that both builders share.

use super::{HeaderName, Method, ParseError};
use crate::proto::sip::text::error;
use core::fmt;
use core::net::IpAddr;

/// The growing message. The first thing that may not be written is kept and refused at the end,
/// so that builders chain.
pub(super) struct Writer {
    head: Vec<u8>,
    content_type: String,
    body: Vec<u8>,
    error: Option<ParseError>,
}

impl Writer {
    pub(super) fn new() -> Writer {
        Writer { head: Vec::with_capacity(1024), content_type: String::new(), body: Vec::new(), error: None }
    }
    /// A line that we made ourselves of checked parts; gives the offset of its end.
    pub(super) fn raw_line(&mut self, parts: &[&str]) -> usize {
        for part in parts {
            self.head.extend_from_slice(part.as_bytes());
        }
        let end = self.head.len();
        self.head.extend_from_slice(b"\r\n");
        end
    }
    pub(super) fn push(&mut self, part: &str) {
        self.head.extend_from_slice(part.as_bytes());
    }
    pub(super) fn number(&mut self, number: u32) {
        if number >= 10 {
            self.number(number / 10);
        }
        self.head.push(b'0' + (number % 10) as u8);
    }
    pub(super) fn address(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                self.number(a.into());
                for part in [b, c, d] {
                    self.push(".");
                    self.number(part.into());
                }
            }
            IpAddr::V6(ip) => self.push(&ip.to_string()),
        }
    }
    /// Puts checked parts into a line that was written before.
    pub(super) fn insert(&mut self, at: usize, parts: &[&str]) {
        let added: usize = parts.iter().map(|part| part.len()).sum();
        let old_len = self.head.len();
        self.head.resize(old_len + added, 0);
        self.head.copy_within(at..old_len, at + added);
        let mut at = at;
        for part in parts {
            self.head[at..at + part.len()].copy_from_slice(part.as_bytes());
            at += part.len();
        }
    }
    pub(super) fn refuse(&mut self, expected: &'static str) {
        self.error.get_or_insert(error(0, expected));
    }
    pub(super) fn check(&mut self, text: &str, forbidden: fn(u8) -> bool, expected: &'static str) -> bool {
        match text.bytes().position(forbidden) {
            Some(at) => {
                self.error.get_or_insert(error(at, expected));
                false
            }
            None => true,
        }
    }
    /// A header value of the host: no CR, LF or NUL comes through. Content-Length is ours to write.
    pub(super) fn header(&mut self, name: HeaderName, value: &str) {
        if !matches!(name, HeaderName::ContentLength | HeaderName::Other) && self.is_one_line(value) {
            self.raw_line(&[name.as_str(), ": ", value]);
        }
    }
    fn is_one_line(&mut self, value: &str) -> bool {
        let found = memchr::memchr3(b'\r', b'\n', 0, value.as_bytes());
        if let Some(at) = found {
            self.error.get_or_insert(error(at, "a value without CR, LF and NUL"));
        }
        found.is_none()
    }
    pub(super) fn header_named(&mut self, name: &str, value: &str) {
        if name.is_empty() {
            self.error.get_or_insert(error(0, "a header name"));
        }
        if self.check(name, |b| !crate::proto::sip::text::is_token_byte(b), "a header name") {
            let known = HeaderName::from_bytes(name.as_bytes());
            if !name.is_empty() && known != HeaderName::ContentLength && self.is_one_line(value) {
                self.raw_line(&[name, ": ", value]);
            }
        }
    }
    pub(super) fn body(&mut self, content_type: &str, body: &[u8]) {
        if self.check(content_type, breaks_lines, "a content type without CR, LF and NUL") {
            self.content_type = content_type.into();
            self.body = body.into();
        }
    }
    pub(super) fn finish(mut self) -> Result<Vec<u8>, ParseError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let content_type = core::mem::take(&mut self.content_type);
        if !content_type.is_empty() {
            self.raw_line(&["Content-Type: ", &content_type]);
        }
        self.push("Content-Length: ");
        // A message is far shorter.
        self.number(u32::try_from(self.body.len()).unwrap_or(u32::MAX));
        self.raw_line(&["\r\n"]);
        self.head.extend_from_slice(&self.body);
        Ok(self.head)
    }
}

/// Values stay out of logs: they may carry credentials.
impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("head_bytes", &self.head.len())
            .field("body_bytes", &self.body.len())
            .field("error", &self.error)
            .finish()
    }
}

fn breaks_lines(b: u8) -> bool {
    matches!(b, b'\r' | b'\n' | 0)
}

/// Writes a request. Values that hold CR, LF or NUL are refused when `build` is called.
#[derive(Debug)]
pub struct RequestBuilder(Writer);

impl RequestBuilder {
    pub fn new(method: &Method, uri: &str) -> RequestBuilder {
        let mut writer = Writer::new();
        let fits = |b| b <= b' ' || b == 0x7f;
        if method.as_str().is_empty() || uri.is_empty() {
            writer.error = Some(error(0, "a method and a URI"));
        }
        writer.check(method.as_str(), |b| !crate::proto::sip::text::is_token_byte(b), "a method");
        writer.check(uri, fits, "a URI without white space and control characters");
        writer.raw_line(&[method.as_str(), " ", uri, " SIP/2.0"]);
        RequestBuilder(writer)
    }
    /// Appends a header line; order is kept.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.0.header(name, value);
        self
    }
    pub fn header_named(mut self, name: &str, value: &str) -> Self {
        self.0.header_named(name, value);
        self
    }
    /// Sets Content-Type and the body. Content-Length is always written.
    pub fn body(mut self, content_type: &str, body: &[u8]) -> Self {
        self.0.body(content_type, body);
        self
    }
    pub fn build(self) -> Result<Vec<u8>, ParseError> {
        self.0.finish()
    }
}
