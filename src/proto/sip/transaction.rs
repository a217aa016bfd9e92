//! The four transaction machines of RFC 3261 section 17 as amended by RFC 6026, in one layer.
//!
//! The user of the layer gives requests and responses as bytes and gets `Effect`s back.

use super::{Message, Peer};
use crate::util::{Duration, Key, Time};

/// RFC 3261 table 4.
#[derive(Clone, Copy, Debug)]
pub struct Timers {
    pub t1: Duration,
    pub t2: Duration,
    pub t4: Duration,
    /// Timer C of a UAC that waits for a final response after a provisional one.
    pub c: Duration,
    /// Timer D, time that a client INVITE transaction stays after a non-2xx (unreliable transport).
    pub d: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientKey(pub Key);
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerKey(pub Key);

/// Which timer of the RFC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TimerName {
    A,
    B,
    C,
    D,
    E,
    F,
    G,
    H,
    I,
    J,
    K,
    L,
    M,
}

/// What the layer wants done. Effects come in order.
#[derive(Debug)]
pub enum Effect {
    Transmit {
        to: Peer,
        bytes: std::sync::Arc<[u8]>,
    },
    /// A response for the transaction user: each provisional, the final one, and every 2xx to an INVITE
    /// (retransmissions and other forks too, until timer M fires).
    Response {
        key: ClientKey,
        message: Message,
    },
    /// No final response: timer B, F (or C).
    Timeout {
        key: ClientKey,
        timer: TimerName,
    },
    /// The transport could not send.
    TransportError {
        key: ClientKey,
    },
    /// The client transaction is over; its key is dead.
    ClientEnded {
        key: ClientKey,
    },
    /// A new request (not a retransmission). 100 for an INVITE is sent by the layer after 200 ms or at once.
    Request {
        key: ServerKey,
        message: Message,
        source: Peer,
    },
    /// A CANCEL that matches this INVITE server transaction. The layer answered the CANCEL with 200 itself.
    Cancelled {
        key: ServerKey,
        message: Message,
    },
    /// An ACK that matches no server transaction in Completed: the ACK of a 2xx, for the dialog.
    Ack {
        message: Message,
        source: Peer,
    },
    /// A 2xx for an INVITE that no client transaction knows any more (a late fork): the user ACKs and BYEs.
    StrayResponse {
        message: Message,
        source: Peer,
    },
    /// Timer H: no ACK for a non-2xx came. Informational.
    AckTimeout {
        key: ServerKey,
    },
    ServerEnded {
        key: ServerKey,
    },
}

pub struct Layer {
    _private: (),
}

impl Layer {
    pub fn new(_timers: Timers, _max_transactions: usize) -> Layer {
        todo!()
    }
    /// Starts a client transaction (not for ACK). The top Via's branch and the CSeq method are its identity.
    pub fn send_request(
        &mut self,
        _now: Time,
        _to: Peer,
        _request: Vec<u8>,
        _out: &mut Vec<Effect>,
    ) -> Option<ClientKey> {
        todo!()
    }
    /// One parsed message from the wire.
    pub fn receive(&mut self, _now: Time, _source: Peer, _message: Message, _out: &mut Vec<Effect>) {
        todo!()
    }
    /// Sends a response of a server transaction. 2xx to INVITE: the layer keeps absorbing INVITE
    /// retransmissions (RFC 6026 Accepted) and the *user* retransmits the 2xx until the ACK.
    pub fn respond(
        &mut self,
        _now: Time,
        _key: ServerKey,
        _status: u16,
        _response: Vec<u8>,
        _out: &mut Vec<Effect>,
    ) -> bool {
        todo!()
    }
    pub fn transport_failed(&mut self, _now: Time, _to: Peer, _out: &mut Vec<Effect>) {
        todo!()
    }
    pub fn handle_timeout(&mut self, _now: Time, _out: &mut Vec<Effect>) {
        todo!()
    }
    pub fn next_deadline(&self) -> Option<(Time, TimerName)> {
        todo!()
    }
    pub fn server_request(&self, _key: ServerKey) -> Option<(&Message, Peer)> {
        None
    }
    pub fn client_count(&self) -> usize {
        todo!()
    }
    pub fn server_count(&self) -> usize {
        todo!()
    }
}
