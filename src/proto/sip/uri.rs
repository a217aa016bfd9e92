//! SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966).

use core::net::IpAddr;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Scheme {
    Sip,
    Sips,
    Tel,
    /// Lower case, without the colon.
    Other(Box<str>),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Host {
    /// Lower case.
    Name(Box<str>),
    Ip(IpAddr),
}

/// One URI, owned. `user` and `password` keep their escapes.
#[derive(Clone, Debug)]
pub struct Uri {
    pub scheme: Scheme,
    pub user: Option<Box<str>>,
    pub password: Option<Box<str>>,
    pub host: Host,
    pub port: Option<u16>,
    /// In the order of the text; names as written, compared without case.
    pub params: Vec<(Box<str>, Option<Box<str>>)>,
    /// The part after `?`, without it.
    pub headers: Option<Box<str>>,
    /// For `Tel` and `Other`: everything after the colon.
    pub opaque: Option<Box<str>>,
}

impl Uri {
    pub fn parse(text: &str) -> Result<Uri, super::ParseError> {
        let _ = text;
        todo!()
    }
    pub fn param(&self, name: &str) -> Option<&str> {
        let _ = name;
        todo!()
    }
    pub fn has_param(&self, name: &str) -> bool {
        let _ = name;
        todo!()
    }
    /// RFC 3261 section 19.1.4.
    pub fn equivalent(&self, other: &Uri) -> bool {
        let _ = other;
        todo!()
    }
    /// `user` without its escapes.
    pub fn user_unescaped(&self) -> Option<String> {
        todo!()
    }
}
// Display writes the URI text.
