//! The non-INVITE server transaction (RFC 3261 section 17.2.2, RFC 4320).

use super::super::Message;
use super::{Step, TimerName, Turn};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct ServerNonInvite(State);

#[derive(Debug)]
enum State {
    Trying { request: Arc<Message> },
    Proceeding { request: Arc<Message>, last: Arc<[u8]> },
    Completed { last: Arc<[u8]> },
}

impl ServerNonInvite {
    /// After 64*T1 the client has given up (its timer F), and RFC 4320 section 4.2 forbids the late
    /// response: a request that its user never answers doesn't stay longer than that.
    pub fn start(turn: &mut Turn<'_>, request: Arc<Message>) -> ServerNonInvite {
        turn.arm_end(TimerName::J, turn.timers.t1_64());
        ServerNonInvite(State::Trying { request })
    }

    pub fn is_finished(&self) -> bool {
        matches!(self.0, State::Completed { .. })
    }

    pub fn request(&self) -> Option<&Message> {
        match &self.0 {
            State::Trying { request } | State::Proceeding { request, .. } => Some(request),
            State::Completed { .. } => None,
        }
    }

    pub fn on_retransmission(&self, turn: &mut Turn<'_>) {
        match &self.0 {
            State::Trying { .. } => {}
            State::Proceeding { last, .. } | State::Completed { last } => turn.transmit(last),
        }
    }

    /// None: the state doesn't allow it, or RFC 4320 doesn't (no 101 to 199, no 408).
    pub fn respond(&mut self, turn: &mut Turn<'_>, status: u16, bytes: Arc<[u8]>) -> Option<Step> {
        if matches!(status, 101..=199 | 408) || matches!(self.0, State::Completed { .. }) {
            return None;
        }
        turn.transmit(&bytes);
        if status == 100 {
            let (State::Trying { request } | State::Proceeding { request, .. }) = &self.0 else {
                return None;
            };
            self.0 = State::Proceeding { request: request.clone(), last: bytes };
            return Some(Step::Stay);
        }
        self.0 = State::Completed { last: bytes };
        let wait = turn.linger(turn.timers.t1_64());
        if wait.is_zero() {
            return Some(Step::End);
        }
        turn.arm_end(TimerName::J, wait);
        Some(Step::Stay)
    }

    /// J.
    pub fn on_timer(&mut self) -> Step {
        Step::End
    }
}
