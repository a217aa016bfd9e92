//! The agent: one place where messages, commands and time meet.

use super::api::*;
use crate::proto::sip::Peer;
use crate::util::{Rng, Time};
use core::net::SocketAddr;

pub struct Agent {
    _private: (),
}

impl Agent {
    pub fn new(_config: AgentConfig, _rng: Box<dyn Rng>, _route: RouteFn) -> Agent {
        todo!()
    }
    pub fn handle_datagram(&mut self, _now: Time, _source: Peer, _bytes: &[u8]) {
        todo!()
    }
    pub fn handle_command(&mut self, _now: Time, _command: Command) -> Result<(), UaError> {
        todo!()
    }
    pub fn handle_resolved(&mut self, _now: Time, _query: QueryId, _addresses: Result<Vec<SocketAddr>, ()>) {
        todo!()
    }
    /// The local RTP address (as the peer shall see it), or the code to fail the call with (503 for no ports).
    pub fn handle_stream_opened(&mut self, _now: Time, _call: CallId, _local: Result<SocketAddr, u16>) {
        todo!()
    }
    /// A datagram could not be sent, or ICMP said unreachable.
    pub fn handle_transmit_failed(&mut self, _now: Time, _to: Peer) {
        todo!()
    }
    pub fn handle_media_timeout(&mut self, _now: Time, _call: CallId) {
        todo!()
    }
    pub fn handle_timeout(&mut self, _now: Time) {
        todo!()
    }
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }
    pub fn poll_timeout(&mut self) -> Option<(Time, Reason)> {
        todo!()
    }
    pub fn stats(&self) -> AgentStats {
        todo!()
    }
}
