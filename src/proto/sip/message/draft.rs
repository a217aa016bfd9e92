//! A message taken apart so that it can be changed, and put together again; and its summary for people.
//!
//! Order and spelling of header lines stay. Content-Length is not kept: it is made when the message is
//! written. Driven by the stand-alone tools.

use super::build::Writer;
use super::{HeaderName, Message, ParseError, Start};
use crate::proto::sip::text::{error, is_token_byte};

/// A message in pieces.
#[derive(Clone)]
pub struct Draft {
    start: String,
    lines: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Draft {
    /// A request without any header.
    pub fn request(method: &str, uri: &str) -> Result<Draft, ParseError> {
        if method.is_empty() || !method.bytes().all(is_token_byte) {
            return Err(error(0, "a method"));
        }
        if uri.is_empty() || uri.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(error(0, "a URI without white space and control characters"));
        }
        Ok(Draft { start: format!("{method} {uri} SIP/2.0"), lines: Vec::new(), body: Vec::new() })
    }

    pub fn of(message: &Message) -> Draft {
        let start = match message.start {
            Start::Request { .. } => {
                format!("{} {} {}", message.method(), message.request_uri_text(), message.version())
            }
            Start::Response { status, .. } => {
                format!("{} {status:03} {}", message.version(), message.reason())
            }
        };
        let lines = message.all_headers().filter(|(known, ..)| *known != HeaderName::ContentLength);
        Draft {
            start,
            lines: lines.map(|(_, name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: message.body().to_vec(),
        }
    }

    /// The first line of that name gets the value, the others go; a new one comes last.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ParseError> {
        check(name, value)?;
        let at = self.lines.iter().position(|(n, _)| same_name(n, name));
        let line = (name.to_owned(), value.to_owned());
        match at.and_then(|at| self.lines.get_mut(at)) {
            Some(place) => *place = line,
            None => self.lines.push(line),
        }
        let mut seen = false;
        self.lines.retain(|(n, _)| !same_name(n, name) || !core::mem::replace(&mut seen, true));
        Ok(())
    }

    /// One more line of that name: behind those that are there, else last.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), ParseError> {
        check(name, value)?;
        let last = self.lines.iter().rposition(|(n, _)| same_name(n, name));
        let at = last.map_or(self.lines.len(), |at| at + 1);
        self.lines.insert(at, (name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// How many lines went.
    pub fn remove(&mut self, name: &str) -> usize {
        let before = self.lines.len();
        self.lines.retain(|(n, _)| !same_name(n, name));
        before - self.lines.len()
    }

    /// An empty type takes Content-Type away.
    pub fn set_body(&mut self, content_type: &str, body: &[u8]) -> Result<(), ParseError> {
        match content_type {
            "" => {
                self.remove(HeaderName::ContentType.as_str());
            }
            name => self.set(HeaderName::ContentType.as_str(), name)?,
        }
        self.body = body.to_vec();
        Ok(())
    }

    pub fn write(&self) -> Result<Vec<u8>, ParseError> {
        let mut writer = Writer::new();
        writer.raw_line(&[&self.start]);
        for (name, value) in &self.lines {
            writer.header_named(name, value);
        }
        writer.body("", &self.body);
        writer.finish()
    }
}

/// Values may carry credentials and stay out of logs.
impl core::fmt::Debug for Draft {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Draft").field("start", &self.start).field("lines", &self.lines.len()).finish()
    }
}

impl Message {
    /// A few lines for people: the start line, who calls whom, the sizes. No credentials.
    pub fn summary(&self) -> String {
        let mut out = match self.start {
            Start::Request { .. } => format!("{} {}", self.method(), self.request_uri_text()),
            Start::Response { status, .. } => format!("{status} {} to {}", self.reason(), self.method()),
        };
        for (label, name) in [("from", HeaderName::From), ("to", HeaderName::To)] {
            if let Some(value) = self.header(name) {
                out.push_str(&format!("\n{label} {value}"));
            }
        }
        let (count, body) = (self.all_headers().count(), self.body().len());
        let (id, cseq) = (self.call_id(), self.cseq());
        out.push_str(&format!("\ncall-id {id}, cseq {cseq}, {count} headers, {body} bytes of body"));
        if let Some(kind) = self.header(HeaderName::ContentType) {
            out.push_str(&format!(" ({kind})"));
        }
        out
    }
}

/// Same header in long, compact and any case.
fn same_name(a: &str, b: &str) -> bool {
    match HeaderName::from_bytes(a.as_bytes()) {
        HeaderName::Other => a.eq_ignore_ascii_case(b),
        known => known == HeaderName::from_bytes(b.as_bytes()),
    }
}

fn check(name: &str, value: &str) -> Result<(), ParseError> {
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return Err(error(0, "a header name"));
    }
    if HeaderName::from_bytes(name.as_bytes()) == HeaderName::ContentLength {
        return Err(error(0, "another header than Content-Length, which is always made"));
    }
    match value.bytes().position(|b| matches!(b, b'\r' | b'\n' | 0)) {
        Some(at) => Err(error(at, "a value without CR, LF and NUL")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:bob@example.com SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
        Via: SIP/2.0/UDP b;branch=z9hG4bK2\r\nX-Mine: 1\r\nl: 3\r\n\r\nabc";

    #[test]
    fn what_is_written_means_what_was_parsed() {
        let message = Message::parse(INVITE).expect("a message");
        let again = Message::parse(&Draft::of(&message).write().expect("bytes")).expect("a message");
        let headers = |m: &Message| {
            let lines = m.all_headers().filter(|h| h.0 != HeaderName::ContentLength);
            lines.map(|(k, _, v)| (k, v.to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(headers(&message), headers(&again));
        assert_eq!((again.method(), again.body()), (message.method(), &b"abc"[..]));
        assert_eq!(again.header(HeaderName::ContentLength), Some("3"));
    }

    #[test]
    fn compact_and_long_names_are_one_header() {
        let mut draft = Draft::of(&Message::parse(INVITE).expect("a message"));
        draft.add("via", "SIP/2.0/UDP c").expect("a line");
        draft.set("x-mine", "2").expect("a line");
        let message = Message::parse(&draft.write().expect("bytes")).expect("a message");
        assert_eq!(message.headers(HeaderName::Via).last(), Some("SIP/2.0/UDP c"));
        assert_eq!(message.header_named("X-Mine", 0), Some("2"));
        assert_eq!(draft.remove("Via"), 3);
        draft.set("Via", "only").expect("a line");
        assert_eq!(draft.remove("v"), 1);
    }

    #[test]
    fn line_breaks_and_our_own_header_are_refused() {
        let mut draft = Draft::request("OPTIONS", "sip:a").expect("a request");
        assert_eq!(draft.set("X", "a\r\nY: b").map_err(|e| e.offset), Err(1));
        assert!(draft.set("Content-Length", "7").is_err() && draft.add("a b", "").is_err());
        assert!(Draft::request("OP TIONS", "sip:a").is_err() && Draft::request("A", "sip: a").is_err());
    }
}
