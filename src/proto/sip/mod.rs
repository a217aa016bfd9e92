//! SIP (RFC 3261): messages, transactions, dialogs, digest authentication.

pub mod auth;
pub mod dialog;
pub mod message;
pub mod status;
pub(crate) mod text;
pub mod transaction;
pub mod uri;

pub use message::{HeaderName, Message, Method, NameAddr, ParseError, RequestBuilder, ResponseBuilder, Via};
pub use status::{status_description, status_phrase};
pub use uri::{Host, Scheme, Uri};

/// How a SIP message travels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
}

impl Transport {
    /// As it stands in a Via: `UDP`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }
    /// A reliable transport needs no retransmission (RFC 3261 section 17).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Transport::Udp)
    }
}

/// Where a message goes or came from: the transport and the peer's address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Peer {
    pub transport: Transport,
    pub address: core::net::SocketAddr,
}
