//! One SIP message: parse once, look up by name, build.

use super::uri::{Host, Uri};

/// Where and why a text was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// Byte offset in the input.
    pub offset: usize,
    /// What was expected, lower case, no full stop.
    pub expected: &'static str,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Info,
    Prack,
    Update,
    Refer,
    Notify,
    Subscribe,
    Message,
    Publish,
    Other(Box<str>),
}

/// Known header names; long and compact forms are one. `Other` is compared without case by the message's look-up by name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum HeaderName {
    Accept,
    AcceptEncoding,
    AcceptLanguage,
    AlertInfo,
    Allow,
    AllowEvents,
    AuthenticationInfo,
    Authorization,
    CallId,
    CallInfo,
    Contact,
    ContentDisposition,
    ContentEncoding,
    ContentLanguage,
    ContentLength,
    ContentType,
    CSeq,
    Date,
    Event,
    Expires,
    From,
    HistoryInfo,
    InReplyTo,
    MaxForwards,
    MimeVersion,
    MinExpires,
    MinSe,
    Organization,
    PAccessNetworkInfo,
    PAssertedIdentity,
    Path,
    PPreferredIdentity,
    Priority,
    Privacy,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyRequire,
    RAck,
    Reason,
    RecordRoute,
    ReferredBy,
    ReferTo,
    Replaces,
    ReplyTo,
    Require,
    RetryAfter,
    Route,
    RSeq,
    Server,
    ServiceRoute,
    SessionExpires,
    SipEtag,
    SipIfMatch,
    Subject,
    SubscriptionState,
    Supported,
    Timestamp,
    To,
    Unsupported,
    UserAgent,
    Via,
    Warning,
    WwwAuthenticate,
    Diversion,
    Other,
}

/// `"display" <uri>;params` or `uri;params`.
#[derive(Clone, Debug)]
pub struct NameAddr {
    /// Unquoted, unescaped.
    pub display: Option<Box<str>>,
    pub uri: Uri,
    /// The URI as it was written (for echoing).
    pub uri_text: Box<str>,
    /// Header parameters (tag, q, expires …).
    pub params: Vec<(Box<str>, Option<Box<str>>)>,
}

impl NameAddr {
    pub fn parse(_text: &str) -> Result<NameAddr, ParseError> {
        todo!()
    }
    pub fn tag(&self) -> Option<&str> {
        self.param("tag")
    }
    pub fn param(&self, _name: &str) -> Option<&str> {
        todo!()
    }
}

#[derive(Clone, Debug)]
pub struct Via {
    /// As written: `UDP`, or anything else.
    pub transport: Box<str>,
    pub host: Host,
    pub port: Option<u16>,
    pub params: Vec<(Box<str>, Option<Box<str>>)>,
}

impl Via {
    pub fn parse(_text: &str) -> Result<Via, ParseError> {
        todo!()
    }
    pub fn branch(&self) -> Option<&str> {
        todo!()
    }
    pub fn param(&self, _name: &str) -> Option<&str> {
        todo!()
    }
    pub fn has_param(&self, _name: &str) -> bool {
        todo!()
    }
}

/// A parsed message: its bytes and an index of them. Cheap to make (one copy of the bytes, one
/// vector of spans) and cheap to ask. Folded lines are unfolded; comma lists are split by `values`.
#[derive(Clone, Debug)]
pub struct Message {
    _private: (),
}

impl Message {
    /// Parses one datagram. An error here means that not even a response can be made; what is wrong
    /// inside a message that can still be answered (400 …) is found by [`Message::validate`].
    pub fn parse(_bytes: &[u8]) -> Result<Message, ParseError> {
        todo!()
    }
    /// The checks of RFC 3261 section 8.2 and 16.3 that a UAS owes before it processes: mandatory
    /// headers present once and well-formed, CSeq fits the method, Content-Length fits, version.
    /// `Err((status, reason))` is the response that is due: (400, "Missing To header"), (505, …).
    pub fn validate(&self) -> Result<(), (u16, &'static str)> {
        todo!()
    }
    pub fn raw(&self) -> &[u8] {
        todo!()
    }
    pub fn is_request(&self) -> bool {
        todo!()
    }
    /// The method of a request, or that of the CSeq of a response.
    pub fn method(&self) -> &Method {
        todo!()
    }
    /// The status of a response, 0 for a request.
    pub fn status(&self) -> u16 {
        todo!()
    }
    pub fn reason(&self) -> &str {
        todo!()
    }
    /// The Request-URI as written; empty for a response.
    pub fn request_uri_text(&self) -> &str {
        todo!()
    }
    pub fn request_uri(&self) -> Result<Uri, ParseError> {
        todo!()
    }
    /// The first value line of that name, unfolded and trimmed.
    pub fn header(&self, _name: HeaderName) -> Option<&str> {
        todo!()
    }
    /// All lines of that name.
    pub fn headers(&self, _name: HeaderName) -> impl Iterator<Item = &str> {
        core::iter::empty()
    }
    /// All values of that name, comma lists split outside of quotes and angle brackets.
    pub fn values(&self, _name: HeaderName) -> impl Iterator<Item = &str> {
        core::iter::empty()
    }
    /// By name of any kind, without case, long or compact form.
    pub fn header_named(&self, _name: &str, _index: usize) -> Option<&str> {
        todo!()
    }
    pub fn all_headers(&self) -> impl Iterator<Item = (HeaderName, &str, &str)> {
        core::iter::empty()
    }
    pub fn body(&self) -> &[u8] {
        todo!()
    }
    pub fn call_id(&self) -> &str {
        todo!()
    }
    /// The number of the CSeq (0 when missing).
    pub fn cseq(&self) -> u32 {
        todo!()
    }
    pub fn from(&self) -> Result<NameAddr, ParseError> {
        todo!()
    }
    pub fn to(&self) -> Result<NameAddr, ParseError> {
        todo!()
    }
    /// Cheap: no NameAddr is built.
    pub fn from_tag(&self) -> Option<&str> {
        todo!()
    }
    pub fn to_tag(&self) -> Option<&str> {
        todo!()
    }
    pub fn top_via(&self) -> Result<Via, ParseError> {
        todo!()
    }
    pub fn contacts(&self) -> Vec<NameAddr> {
        todo!()
    }
    /// `*` stands in Contact (REGISTER only).
    pub fn expires(&self) -> Option<u32> {
        todo!()
    }
}

/// Writes a request. Values that hold CR, LF or NUL are refused when `build` is called.
#[derive(Debug)]
pub struct RequestBuilder {
    _private: (),
}

impl RequestBuilder {
    pub fn new(_method: &Method, _uri: &str) -> RequestBuilder {
        todo!()
    }
    /// Appends a header line; order is kept.
    pub fn header(self, _name: HeaderName, _value: &str) -> Self {
        todo!()
    }
    pub fn header_named(self, _name: &str, _value: &str) -> Self {
        todo!()
    }
    /// Sets Content-Type and the body. Content-Length is always written.
    pub fn body(self, _content_type: &str, _body: &[u8]) -> Self {
        todo!()
    }
    pub fn build(self) -> Result<Vec<u8>, ParseError> {
        todo!()
    }
}

/// Writes a response to a request: copies Via, From, To, Call-ID, CSeq (and Record-Route when asked).
#[derive(Debug)]
pub struct ResponseBuilder {
    _private: (),
}

impl ResponseBuilder {
    /// Also adds `received` and `rport` to the top Via (RFC 3261 section 18.2.1, RFC 3581).
    pub fn new(
        _request: &Message,
        _status: u16,
        _reason: Option<&str>,
        _source: core::net::SocketAddr,
    ) -> Self {
        todo!()
    }
    /// The To tag to add when the request had none.
    pub fn to_tag(self, _tag: &str) -> Self {
        todo!()
    }
    pub fn copy_record_route(self) -> Self {
        todo!()
    }
    pub fn header(self, _name: HeaderName, _value: &str) -> Self {
        todo!()
    }
    pub fn header_named(self, _name: &str, _value: &str) -> Self {
        todo!()
    }
    pub fn body(self, _content_type: &str, _body: &[u8]) -> Self {
        todo!()
    }
    pub fn build(self) -> Result<Vec<u8>, ParseError> {
        todo!()
    }
}
