//! A session description: parse and write.

use crate::proto::sip::ParseError;
use core::net::IpAddr;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Direction {
    #[default]
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    pub const fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }
    pub const fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    pub username: Box<str>,
    pub session_id: Box<str>,
    pub version: u64,
    /// `IN IP4 192.0.2.1`: the address as written.
    pub address_type: Box<str>,
    pub address: Box<str>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connection {
    /// As written, with ttl and count if any.
    pub address: Box<str>,
    pub address_type: Box<str>,
}

impl Connection {
    pub fn ip(&self) -> Option<IpAddr> {
        todo!()
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attribute {
    pub name: Box<str>,
    pub value: Option<Box<str>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Media {
    /// `audio`
    pub kind: Box<str>,
    pub port: u16,
    /// The count after `/`, 1 as a rule.
    pub port_count: u16,
    /// `RTP/AVP`
    pub protocol: Box<str>,
    pub formats: Vec<Box<str>>,
    pub connection: Option<Connection>,
    pub attributes: Vec<Attribute>,
    /// Lines `i=`, `b=`, `k=` kept as they came.
    pub other_lines: Vec<Box<str>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionDescription {
    pub origin: Origin,
    pub name: Box<str>,
    pub connection: Option<Connection>,
    pub times: Vec<Box<str>>,
    pub attributes: Vec<Attribute>,
    pub media: Vec<Media>,
    pub other_lines: Vec<Box<str>>,
}

impl SessionDescription {
    pub fn parse(_bytes: &[u8]) -> Result<SessionDescription, ParseError> {
        todo!()
    }
    /// The direction of a stream: its own attribute, else the session's, else sendrecv.
    pub fn direction(&self, _media: usize) -> Direction {
        todo!()
    }
    pub fn write(&self) -> String {
        todo!()
    }
}
