//! The way of a request that opens something: to whom, as whom, through which hop.

use crate::proto::sip::Transport;

pub(super) struct Way {
    /// Request-URI.
    pub target: String,
    /// `<sip:proxy;lr>`
    pub route: Option<String>,
    /// URI of the next hop.
    pub hop: String,
    pub transport: Transport,
    /// URI for From; None: ours, once we know our address.
    pub from: Option<String>,
    pub display: String,
    /// User part of our own address.
    pub user: String,
}
