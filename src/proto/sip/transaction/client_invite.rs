//! The INVITE client transaction (RFC 3261 section 17.1.1, RFC 6026 section 8.4) and its CANCEL (9.1).

use super::super::Message;
use super::{derive, ClientKey, Effect, Step, TimerName, Turn};
use crate::util::Duration;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct ClientInvite(State);

#[derive(Debug)]
enum State {
    Calling {
        request: Arc<[u8]>,
        interval: Duration,
        /// CANCEL as soon as a provisional response has come.
        cancel: bool,
    },
    Proceeding {
        request: Arc<[u8]>,
        cancelled: bool,
    },
    /// A non-2xx came; each further one is acknowledged again.
    Completed {
        ack: Option<Arc<[u8]>>,
    },
    /// A 2xx came; further ones (retransmitted, other forks) go up.
    Accepted,
}

impl ClientInvite {
    /// 17.1.1.2: timer A over unreliable transports, B over all.
    pub fn start(turn: &mut Turn<'_>, request: Arc<[u8]>) -> ClientInvite {
        turn.transmit(&request);
        let interval = turn.timers.t1;
        if !turn.is_reliable() {
            turn.arm_retransmit(TimerName::A, interval);
        }
        turn.arm_end(TimerName::B, turn.timers.t1_64());
        ClientInvite(State::Calling { request, interval, cancel: false })
    }

    /// The request once more; over another transport as other bytes, and with the timers of that.
    pub fn send_again(&mut self, turn: &mut Turn<'_>, as_bytes: Option<Arc<[u8]>>) {
        let State::Calling { request, interval, .. } = &mut self.0 else { return };
        if let Some(bytes) = as_bytes {
            *request = bytes;
        }
        let request = request.clone();
        *interval = turn.timers.t1;
        turn.transmit(&request);
        if !turn.is_reliable() {
            turn.arm_retransmit(TimerName::A, turn.timers.t1);
        }
    }

    /// True while nothing has come back: an ICMP error then concerns this INVITE.
    pub fn awaits_first_response(&self) -> bool {
        matches!(self.0, State::Calling { .. })
    }

    /// Gives the response back when it is a 2xx that this transaction is too far gone for.
    #[allow(clippy::result_large_err)] // The message goes back to who brought it.
    pub fn on_response(&mut self, turn: &mut Turn<'_>, message: Message) -> Result<Step, Message> {
        match message.status() {
            100..=199 => Ok(self.on_provisional(turn, message)),
            200..=299 => self.on_success(turn, message),
            _ => Ok(self.on_failure(turn, message)),
        }
    }

    fn on_provisional(&mut self, turn: &mut Turn<'_>, message: Message) -> Step {
        let step = match &mut self.0 {
            State::Calling { request, cancel, .. } => {
                turn.disarm_retransmit();
                turn.arm_end(TimerName::C, turn.timers.c);
                let request = request.clone();
                let wanted = *cancel;
                self.0 = State::Proceeding { request, cancelled: false };
                if wanted {
                    self.cancel(turn)
                } else {
                    Step::Stay
                }
            }
            // 16.6 step 11: each provisional other than 100 gives timer C its full length again.
            State::Proceeding { cancelled: false, .. } if message.status() != 100 => {
                turn.arm_end(TimerName::C, turn.timers.c);
                Step::Stay
            }
            State::Proceeding { .. } => Step::Stay,
            State::Completed { .. } | State::Accepted => return Step::Stay,
        };
        turn.respond_up(message);
        step
    }

    #[allow(clippy::result_large_err)]
    fn on_success(&mut self, turn: &mut Turn<'_>, message: Message) -> Result<Step, Message> {
        match self.0 {
            // RFC 6026 section 7.2: timer M.
            State::Calling { .. } | State::Proceeding { .. } => {
                turn.disarm_retransmit();
                turn.arm_end(TimerName::M, turn.timers.t1_64());
                self.0 = State::Accepted;
            }
            State::Accepted => {}
            State::Completed { .. } => return Err(message),
        }
        turn.respond_up(message);
        Ok(Step::Stay)
    }

    /// 17.1.1.2: the ACK comes from here, on its first time and on each further.
    fn on_failure(&mut self, turn: &mut Turn<'_>, message: Message) -> Step {
        let request = match &self.0 {
            State::Calling { request, .. } | State::Proceeding { request, .. } => request,
            State::Completed { ack } => {
                if let Some(ack) = ack {
                    turn.transmit(ack);
                }
                return Step::Stay;
            }
            State::Accepted => return Step::Stay,
        };
        let ack = derive::ack(request, &message);
        if let Some(ack) = &ack {
            turn.transmit(ack);
        }
        turn.disarm_retransmit();
        turn.respond_up(message);
        self.0 = State::Completed { ack };
        let wait = turn.linger(turn.timers.d);
        if wait.is_zero() {
            return Step::End;
        }
        turn.arm_end(TimerName::D, wait);
        Step::Stay
    }

    pub fn on_timer(&mut self, turn: &mut Turn<'_>, name: TimerName) -> Step {
        match (&mut self.0, name) {
            (State::Calling { request, interval, .. }, TimerName::A) => {
                *interval = interval.saturating_mul(2);
                let next = *interval;
                let request = request.clone();
                turn.transmit(&request);
                turn.arm_retransmit(TimerName::A, next);
                Step::Stay
            }
            (State::Calling { .. }, TimerName::B) => self.give_up(turn, TimerName::B),
            // 16.8: a branch that had a provisional response is cancelled, and has 64*T1 to say 487.
            (State::Proceeding { cancelled: false, .. }, TimerName::C) => self.cancel(turn),
            (State::Proceeding { cancelled: true, .. }, TimerName::C) => self.give_up(turn, TimerName::C),
            // D, M.
            _ => Step::End,
        }
    }

    fn give_up(&mut self, turn: &mut Turn<'_>, timer: TimerName) -> Step {
        turn.report(|key| Effect::Timeout { key: ClientKey(key), timer });
        Step::End
    }

    /// 9.1: no CANCEL before a provisional response, none after the final one.
    pub fn cancel(&mut self, turn: &mut Turn<'_>) -> Step {
        match &mut self.0 {
            State::Calling { cancel, .. } => *cancel = true,
            State::Proceeding { request, cancelled: cancelled @ false } => {
                *cancelled = true;
                turn.arm_end(TimerName::C, turn.timers.t1_64());
                if let Some(bytes) = derive::cancel(request) {
                    return Step::Cancel(bytes);
                }
            }
            _ => {}
        }
        Step::Stay
    }

    pub fn is_finished(&self) -> bool {
        !self.is_pending()
    }
    pub fn is_pending(&self) -> bool {
        matches!(self.0, State::Calling { .. } | State::Proceeding { .. })
    }
}
