//! SIP (RFC 3261): messages, transactions, dialogs, digest authentication.

pub mod auth;
pub mod dialog;
pub mod message;
pub mod status;
pub mod stream;
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
    /// RFC 3261 section 19.1.2.
    pub const fn default_port(self) -> u16 {
        match self {
            Transport::Tls | Transport::Wss => 5061,
            _ => 5060,
        }
    }
    /// The value of a transport parameter.
    pub fn from_name(name: &str) -> Option<Transport> {
        const ALL: [Transport; 5] =
            [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
        ALL.into_iter().find(|t| t.as_str().eq_ignore_ascii_case(name))
    }
}

/// Which of the ways to one address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub enum Flow {
    /// A connection to the address as such, or none at all (UDP).
    #[default]
    Address,
    /// A TLS connection to the host of that name, a number that the user agent gave it (RFC 5922).
    Name(u32),
    /// A connection that the peer made: it can't be made again from here.
    Accepted,
}

/// Where a message goes or came from: the transport, the peer's address, and which connection to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Peer {
    pub transport: Transport,
    pub address: core::net::SocketAddr,
    pub flow: Flow,
}

impl Peer {
    pub const fn new(transport: Transport, address: core::net::SocketAddr) -> Peer {
        Peer { transport, address, flow: Flow::Address }
    }
    pub const fn udp(address: core::net::SocketAddr) -> Peer {
        Peer::new(Transport::Udp, address)
    }
    /// The same address and transport, whichever connection.
    pub fn is_same_place(&self, other: &Peer) -> bool {
        self.transport == other.transport && self.address == other.address
    }
}
