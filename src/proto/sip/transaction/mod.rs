//! The four transaction machines of RFC 3261 section 17 as amended by RFC 6026 and RFC 4320, in one layer.
//!
//! Owns the tables of live transactions, their timers and what has to be sent again. The user of the
//! layer (the agent) gives requests and responses as bytes, messages and times, and gets [`Effect`]s back.
//! Each machine has its own file; [`Layer`] matches messages to machines and keeps the bounds.

mod client_invite;
mod client_non_invite;
mod derive;
mod identity;
mod layer;
mod linger;
mod server_invite;
mod server_non_invite;
mod timers;

#[cfg(test)]
mod tests;

use super::{Message, Peer};
use crate::util::{Key, Time};
use std::sync::Arc;

pub use derive::response_target;
pub use layer::Layer;
use timers::{Alarms, Owner, TimerQueue};
pub use timers::{TimerName, Timers};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientKey(pub Key);
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerKey(pub Key);

/// What the layer wants done. Effects come in order.
#[derive(Debug)]
pub enum Effect {
    Transmit {
        to: Peer,
        bytes: Arc<[u8]>,
    },
    /// A response for the transaction user: each provisional, the final one, and every 2xx to an INVITE
    /// (retransmissions and other forks too, until timer M fires).
    Response {
        key: ClientKey,
        message: Message,
    },
    /// No final response. B, F: none at all within 64*T1 (a non-INVITE may have had a 100). C: there was a
    /// provisional one, and neither timer C's nor the user's CANCEL brought a final one within 64*T1.
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
    /// A new request (not a retransmission). For an INVITE the layer has sent 100 already.
    Request {
        key: ServerKey,
        message: Arc<Message>,
        source: Peer,
    },
    /// A CANCEL that matches this INVITE server transaction, which has no final response yet (said once).
    /// The layer answered the CANCEL with 200 itself; the user owes the INVITE a 487.
    Cancelled {
        key: ServerKey,
        message: Arc<Message>,
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
    /// The server transaction is over; its key is dead.
    ServerEnded {
        key: ServerKey,
    },
}

/// What the layer has turned away since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// New requests answered 503 since the table of server transactions was full.
    pub refused: u64,
    /// Messages without a usable Via, responses with more than one.
    pub malformed: u64,
    /// Responses that no transaction asked for.
    pub stray: u64,
    /// Requests and responses that came again.
    pub retransmissions: u64,
}

/// What a machine says after an event.
#[derive(Debug)]
enum Step {
    Stay,
    End,
    /// The CANCEL to send in a transaction of its own.
    Cancel(Vec<u8>),
}

/// All that one event of one transaction may touch.
struct Turn<'a> {
    now: Time,
    owner: Owner,
    peer: Peer,
    /// The layer's own CANCEL: nobody above knows its key.
    silent: bool,
    timers: &'a Timers,
    queue: &'a mut TimerQueue,
    alarms: &'a mut Alarms,
    out: &'a mut Vec<Effect>,
}

impl Turn<'_> {
    fn transmit(&mut self, bytes: &Arc<[u8]>) {
        self.out.push(Effect::Transmit { to: self.peer, bytes: bytes.clone() });
    }
    fn report(&mut self, make: impl FnOnce(Key) -> Effect) {
        if !self.silent {
            let key = self.owner.key();
            self.out.push(make(key));
        }
    }
    fn respond_up(&mut self, message: Message) {
        self.report(|key| Effect::Response { key: ClientKey(key), message });
    }
    fn is_reliable(&self) -> bool {
        self.peer.transport.is_reliable()
    }
    /// T1, T2 … bound for unreliable transports; over reliable ones the wait is zero (RFC 3261 table 4).
    fn linger(&self, wait: core::time::Duration) -> core::time::Duration {
        if self.is_reliable() {
            core::time::Duration::ZERO
        } else {
            wait
        }
    }
    fn arm_retransmit(&mut self, name: TimerName, after: core::time::Duration) {
        let at = self.now + after;
        self.queue.arm(self.owner, &mut self.alarms.retransmit, at, name);
    }
    fn arm_end(&mut self, name: TimerName, after: core::time::Duration) {
        let at = self.now + after;
        self.queue.arm(self.owner, &mut self.alarms.end, at, name);
    }
    fn disarm_retransmit(&mut self) {
        self.queue.disarm(self.owner, &mut self.alarms.retransmit);
    }
}
