//! The INVITE server transaction (RFC 3261 section 17.2.1, RFC 6026 section 8.5).

use super::super::Message;
use super::{derive, Effect, ServerKey, Step, TimerName, Turn};
use crate::util::Duration;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct ServerInvite(State);

#[derive(Debug)]
enum State {
    Proceeding {
        request: Arc<Message>,
        last: Option<Arc<[u8]>>,
        cancelled: bool,
    },
    /// A non-2xx was sent and waits for its ACK.
    Completed {
        last: Arc<[u8]>,
        interval: Duration,
    },
    /// The ACK came; further ones are swallowed.
    Confirmed,
    /// A 2xx was sent; the user sends it again until its ACK.
    Accepted,
}

impl ServerInvite {
    /// 17.2.1: 100 at once, since nobody knows how long the user will take.
    pub fn start(turn: &mut Turn<'_>, request: Arc<Message>, source: core::net::SocketAddr) -> ServerInvite {
        let last = derive::trying(&request, source);
        if let Some(bytes) = &last {
            turn.transmit(bytes);
        }
        ServerInvite(State::Proceeding { request, last, cancelled: false })
    }

    /// Nothing more is awaited of the peer but copies.
    pub fn is_finished(&self) -> bool {
        matches!(self.0, State::Confirmed | State::Accepted)
    }

    pub fn request(&self) -> Option<&Message> {
        match &self.0 {
            State::Proceeding { request, .. } => Some(request),
            _ => None,
        }
    }

    /// What was sent last and would be sent again.
    pub fn last_response(&self) -> Option<&Arc<[u8]>> {
        match &self.0 {
            State::Proceeding { last, .. } => last.as_ref(),
            State::Completed { last, .. } => Some(last),
            State::Confirmed | State::Accepted => None,
        }
    }

    pub fn on_retransmission(&self, turn: &mut Turn<'_>) {
        if let Some(last) = self.last_response() {
            turn.transmit(last);
        }
    }

    /// True when the ACK isn't for this transaction but for the dialog.
    pub fn on_ack(&mut self, turn: &mut Turn<'_>) -> (bool, Step) {
        match &self.0 {
            State::Completed { .. } => {
                turn.disarm_retransmit();
                self.0 = State::Confirmed;
                let wait = turn.linger(turn.timers.t4);
                if wait.is_zero() {
                    return (false, Step::End);
                }
                turn.arm_end(TimerName::I, wait);
                (false, Step::Stay)
            }
            // RFC 6026 section 7.1: passed to the user.
            State::Accepted => (true, Step::Stay),
            State::Proceeding { .. } | State::Confirmed => (false, Step::Stay),
        }
    }

    /// True for the first CANCEL before a final response (9.2).
    pub fn on_cancel(&mut self) -> bool {
        match &mut self.0 {
            State::Proceeding { cancelled: cancelled @ false, .. } => {
                *cancelled = true;
                true
            }
            _ => false,
        }
    }

    /// None: the state doesn't allow it.
    pub fn respond(&mut self, turn: &mut Turn<'_>, status: u16, bytes: Vec<u8>) -> Option<Step> {
        match (&mut self.0, status) {
            (State::Proceeding { last, .. }, 100..=199) => {
                let bytes: Arc<[u8]> = bytes.into();
                turn.transmit(&bytes);
                *last = Some(bytes);
            }
            (State::Proceeding { .. }, 200..=299) => {
                turn.transmit(&bytes.into());
                turn.arm_end(TimerName::L, turn.timers.t1_64());
                self.0 = State::Accepted;
            }
            (State::Accepted, 200..=299) => turn.transmit(&bytes.into()),
            (State::Proceeding { .. }, 300..=699) => {
                let last: Arc<[u8]> = bytes.into();
                turn.transmit(&last);
                let interval = turn.timers.t1;
                if !turn.is_reliable() {
                    turn.arm_retransmit(TimerName::G, interval);
                }
                turn.arm_end(TimerName::H, turn.timers.t1_64());
                self.0 = State::Completed { last, interval };
            }
            _ => return None,
        }
        Some(Step::Stay)
    }

    pub fn on_timer(&mut self, turn: &mut Turn<'_>, name: TimerName) -> Step {
        match (&mut self.0, name) {
            (State::Completed { last, interval }, TimerName::G) => {
                *interval = interval.saturating_mul(2).min(turn.timers.t2);
                let next = *interval;
                let last = last.clone();
                turn.transmit(&last);
                turn.arm_retransmit(TimerName::G, next);
                Step::Stay
            }
            (State::Completed { .. }, TimerName::H) => {
                turn.report(|key| Effect::AckTimeout { key: ServerKey(key) });
                Step::End
            }
            // I, L.
            _ => Step::End,
        }
    }
}
