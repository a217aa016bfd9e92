//! One SIP message: parse once, look up by name, build (RFC 3261 sections 7, 8.2, 20 and 25).
//!
//! A `Message` owns one copy of its bytes and one vector of spans into it; typed headers are made
//! when they are asked for. The transaction layer, the dialogs and the user agent read it; only the
//! builders write. Nothing here decides what a message means for a call.

mod build;
mod draft;
mod header_name;
mod method;
mod name_addr;
mod parse;
mod respond;
mod validate;
mod via;

pub use build::RequestBuilder;
pub use draft::Draft;
pub use header_name::HeaderName;
pub use method::Method;
pub use name_addr::NameAddr;
pub(crate) use name_addr::NameAddrRef;
pub use respond::ResponseBuilder;
pub use via::Via;
pub(crate) use via::ViaRef;
use via::ViaSpans;

use super::text::{self, List};
use super::uri::{Uri, UriRef};
use core::fmt;
use std::sync::OnceLock;

/// Longest message that is parsed: what a UDP datagram can hold.
pub const MAX_MESSAGE_BYTES: usize = 65_535;
/// Most header lines that are parsed.
pub const MAX_HEADER_LINES: usize = 256;

/// Where and why a text was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// Byte offset in the input.
    pub offset: usize,
    /// What was expected, lower case, no full stop.
    pub expected: &'static str,
}

impl ParseError {
    /// Nothing but line ends: a keep-alive (RFC 5626 section 4.4.1), to be dropped without a word.
    pub const KEEP_ALIVE: ParseError = ParseError { offset: 0, expected: "a message, not a keep-alive" };

    pub fn is_keep_alive(&self) -> bool {
        *self == ParseError::KEEP_ALIVE
    }
    pub(crate) fn shifted(self, by: usize) -> ParseError {
        ParseError { offset: self.offset + by, ..self }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at byte {}", self.expected, self.offset)
    }
}

impl std::error::Error for ParseError {}

/// A piece of the message's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Span {
    at: u32,
    len: u32,
}

/// One header line: 16 bytes.
#[derive(Clone, Copy, Debug)]
struct Line {
    name_at: u32,
    name_len: u16,
    name: HeaderName,
    value: Span,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Start {
    Request { uri: Span, version: Span },
    Response { status: u16, reason: Span, version: Span },
}

/// What Content-Length said of the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Framing {
    Fits,
    /// Not a number, or negative.
    Malformed,
    /// More than the datagram holds.
    TooLong,
    /// Stands there twice.
    Twice,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum CSeqState {
    Missing,
    Malformed,
    Fine(u32),
    /// Its method is another one than that of the request line.
    OtherMethod(u32),
}

/// What was received.
#[derive(Clone)]
enum Content {
    /// All of it is text, as good as always.
    Text(Box<str>),
    /// The body isn't.
    Mixed(Box<[u8]>),
}

impl Content {
    fn bytes(&self) -> &[u8] {
        match self {
            Content::Text(text) => text.as_bytes(),
            Content::Mixed(bytes) => bytes,
        }
    }
}

/// A parsed message: its bytes and an index of them. Cheap to make (one copy of the bytes, one
/// vector of spans) and cheap to ask. Folded lines are unfolded; comma lists are split by `values`.
#[derive(Clone)]
pub struct Message {
    content: Content,
    lines: Vec<Line>,
    start: Start,
    method: Method,
    cseq: CSeqState,
    body: Span,
    framing: Framing,
    found: OnceLock<Box<Found>>,
}

/// What is asked for again and again, looked for once.
#[derive(Clone)]
struct Found {
    /// None: it can't be read.
    top_via: Option<ViaSpans>,
    from_tag: Option<Span>,
    to_tag: Option<Span>,
}

impl Message {
    /// Parses one datagram. An error here means that not even a response can be made; what is wrong
    /// inside a message that can still be answered (400 …) is found by [`Message::validate`].
    ///
    /// Line ends before the start line are skipped, octets behind the body that Content-Length
    /// announced are cut off, a missing Content-Length means the rest of the datagram.
    pub fn parse(bytes: &[u8]) -> Result<Message, ParseError> {
        parse::parse(bytes)
    }
    /// The checks of RFC 3261 section 8.2 and 16.3 that a UAS owes before it processes: mandatory
    /// headers present once and well-formed, CSeq fits the method, Content-Length fits, version.
    /// `Err((status, reason))` is the response that is due: (400, "Missing To header"), (505, …).
    /// A request without a readable top Via gets no response, a response with an error is dropped.
    ///
    /// Codes that need to know what the agent can do are the agent's: 405, 501 and 416, 420, 415,
    /// 406, 482, 483.
    pub fn validate(&self) -> Result<(), (u16, &'static str)> {
        validate::validate(self)
    }
    /// The message as it was received, unfolded, without what stood before and behind it.
    pub fn raw(&self) -> &[u8] {
        self.content.bytes()
    }
    pub fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }
    /// The method of a request, or that of the CSeq of a response.
    pub fn method(&self) -> &Method {
        &self.method
    }
    /// The status of a response, 0 for a request.
    pub fn status(&self) -> u16 {
        match self.start {
            Start::Request { .. } => 0,
            Start::Response { status, .. } => status,
        }
    }
    pub fn reason(&self) -> &str {
        match self.start {
            Start::Request { .. } => "",
            Start::Response { reason, .. } => self.text(reason),
        }
    }
    /// The Request-URI as written; empty for a response.
    pub fn request_uri_text(&self) -> &str {
        match self.start {
            Start::Request { uri, .. } => self.text(uri),
            Start::Response { .. } => "",
        }
    }
    pub fn request_uri(&self) -> Result<Uri, ParseError> {
        Uri::parse(self.request_uri_text())
    }
    /// `SIP/2.0`, as written.
    pub fn version(&self) -> &str {
        match self.start {
            Start::Request { version, .. } | Start::Response { version, .. } => self.text(version),
        }
    }
    /// The first value line of that name, unfolded and trimmed.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.lines.iter().find(|line| line.name == name).map(|line| self.text(line.value))
    }
    /// All lines of that name.
    pub fn headers(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(move |line| line.name == name).map(|line| self.text(line.value))
    }
    /// All values of that name, comma lists split outside of quotes and angle brackets. A header that
    /// is no list (Date, From, Authorization …) gives its whole lines. Empty elements are left out.
    pub fn values(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.headers(name).flat_map(move |line| Values::new(name, line)).filter(|value| !value.is_empty())
    }
    /// By name of any kind, without case, long or compact form.
    pub fn header_named(&self, name: &str, index: usize) -> Option<&str> {
        let known = HeaderName::from_bytes(name.as_bytes());
        let same = |line: &&Line| match known {
            HeaderName::Other => line.name == known && self.name_text(line).eq_ignore_ascii_case(name),
            known => line.name == known,
        };
        self.lines.iter().filter(same).nth(index).map(|line| self.text(line.value))
    }
    /// Every line in order: the name as known, the name as written, the value.
    pub fn all_headers(&self) -> impl Iterator<Item = (HeaderName, &str, &str)> {
        self.lines.iter().map(|line| (line.name, self.name_text(line), self.text(line.value)))
    }
    pub fn body(&self) -> &[u8] {
        self.slice(self.body)
    }
    /// Empty when it is missing.
    pub fn call_id(&self) -> &str {
        self.header(HeaderName::CallId).unwrap_or("")
    }
    /// The number of the CSeq (0 when missing).
    pub fn cseq(&self) -> u32 {
        match self.cseq {
            CSeqState::Missing | CSeqState::Malformed => 0,
            CSeqState::Fine(number) | CSeqState::OtherMethod(number) => number,
        }
    }
    pub fn from(&self) -> Result<NameAddr, ParseError> {
        NameAddr::parse(self.header(HeaderName::From).ok_or(text::error(0, "a From header"))?)
    }
    pub fn to(&self) -> Result<NameAddr, ParseError> {
        NameAddr::parse(self.header(HeaderName::To).ok_or(text::error(0, "a To header"))?)
    }
    /// Cheap: nothing is copied.
    pub(crate) fn request_uri_ref(&self) -> Result<UriRef<'_>, ParseError> {
        UriRef::parse(self.request_uri_text())
    }
    /// Of From or To.
    pub(crate) fn party(&self, name: HeaderName) -> Option<NameAddrRef<'_>> {
        NameAddrRef::parse(self.header(name)?).ok()
    }
    /// The first that can be read.
    pub(crate) fn contact_ref(&self) -> Option<NameAddrRef<'_>> {
        self.values(HeaderName::Contact).find_map(|value| NameAddrRef::parse(value).ok())
    }
    /// Cheap: no NameAddr is built.
    pub fn from_tag(&self) -> Option<&str> {
        self.found().from_tag.map(|span| self.text(span))
    }
    pub fn to_tag(&self) -> Option<&str> {
        self.found().to_tag.map(|span| self.text(span))
    }
    fn found(&self) -> &Found {
        let tag = |name| text::tag_of(self.header(name)?).map(|tag| self.span_of(tag));
        let via = || Some(ViaSpans::new(&self.parse_top_via().ok()?, |part| self.span_of(part)));
        let look = || Found { top_via: via(), from_tag: tag(HeaderName::From), to_tag: tag(HeaderName::To) };
        self.found.get_or_init(|| Box::new(look()))
    }
    pub fn top_via(&self) -> Result<Via, ParseError> {
        Via::parse(self.values(HeaderName::Via).next().ok_or(text::error(0, "a Via header"))?)
    }
    /// Cheap: nothing is copied.
    pub(crate) fn top_via_ref(&self) -> Result<ViaRef<'_>, ParseError> {
        match &self.found().top_via {
            Some(via) => Ok(via.read(|span| self.text(span))),
            None => self.parse_top_via(),
        }
    }
    fn parse_top_via(&self) -> Result<ViaRef<'_>, ParseError> {
        ViaRef::parse(self.values(HeaderName::Via).next().ok_or(text::error(0, "a Via header"))?)
    }
    /// The branch of the top Via; cheap: no Via is built.
    pub fn branch(&self) -> Option<&str> {
        match &self.found().top_via {
            Some(via) => via.branch().map(|span| self.text(span)),
            None => via::branch_of(self.values(HeaderName::Via).next()?),
        }
    }
    /// Those that can be read; `*` isn't one of them.
    pub fn contacts(&self) -> Vec<NameAddr> {
        self.values(HeaderName::Contact).filter_map(|value| NameAddr::parse(value).ok()).collect()
    }
    /// `*` stands in Contact (REGISTER only).
    pub fn has_star_contact(&self) -> bool {
        self.values(HeaderName::Contact).any(|value| value == "*")
    }
    /// The seconds of the Expires header; beyond 32 bits the largest number.
    pub fn expires(&self) -> Option<u32> {
        let text = self.header(HeaderName::Expires)?;
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u32::MAX))
    }

    fn slice(&self, span: Span) -> &[u8] {
        let at = span.at as usize;
        self.content.bytes().get(at..at + span.len as usize).unwrap_or(&[])
    }
    /// The head was made valid UTF-8 by the parser and spans end at ASCII characters.
    fn text(&self, span: Span) -> &str {
        let at = span.at as usize;
        match &self.content {
            Content::Text(text) => text.get(at..at + span.len as usize).unwrap_or(""),
            Content::Mixed(_) => core::str::from_utf8(self.slice(span)).unwrap_or(""),
        }
    }
    /// Of a piece of the message's text.
    fn span_of(&self, part: &str) -> Span {
        let at = (part.as_ptr() as usize).saturating_sub(self.content.bytes().as_ptr() as usize);
        Span { at: at as u32, len: part.len() as u32 }
    }
    fn name_text(&self, line: &Line) -> &str {
        self.text(Span { at: line.name_at, len: u32::from(line.name_len) })
    }
}

/// The start line and the sizes; headers may carry credentials and stay out of logs.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Message");
        match self.start {
            Start::Request { .. } => out.field("uri", &self.request_uri_text()),
            Start::Response { status, .. } => out.field("status", &status),
        };
        out.field("method", &self.method)
            .field("cseq", &self.cseq())
            .field("call_id", &self.call_id())
            .field("header_lines", &self.lines.len())
            .field("body_bytes", &self.body.len)
            .finish()
    }
}

/// The values of one header line.
enum Values<'a> {
    Whole(Option<&'a str>),
    List(List<'a>),
}

impl<'a> Values<'a> {
    fn new(name: HeaderName, line: &'a str) -> Values<'a> {
        match name.is_list() && memchr::memchr(b',', line.as_bytes()).is_some() {
            true => Values::List(List::new(line)),
            false => Values::Whole(Some(line)),
        }
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a str;
    fn next(&mut self) -> Option<&'a str> {
        match self {
            Values::Whole(line) => line.take(),
            Values::List(list) => list.next(),
        }
    }
}

#[cfg(test)]
mod tests;
