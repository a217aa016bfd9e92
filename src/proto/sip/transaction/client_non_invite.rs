//! The non-INVITE client transaction (RFC 3261 section 17.1.2).

use super::super::Message;
use super::{ClientKey, Effect, Step, TimerName, Turn};
use crate::util::Duration;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct ClientNonInvite(State);

#[derive(Debug)]
enum State {
    Trying { request: Arc<[u8]>, interval: Duration },
    Proceeding { request: Arc<[u8]> },
    Completed,
}

impl ClientNonInvite {
    /// 17.1.2.2: timer E over unreliable transports, F over all.
    pub fn start(turn: &mut Turn<'_>, request: Arc<[u8]>) -> ClientNonInvite {
        turn.transmit(&request);
        let interval = turn.timers.t1;
        if !turn.is_reliable() {
            turn.arm_retransmit(TimerName::E, interval);
        }
        turn.arm_end(TimerName::F, turn.timers.t1_64());
        ClientNonInvite(State::Trying { request, interval })
    }

    /// The request once more; over another transport as other bytes, and with the timers of that.
    pub fn send_again(&mut self, turn: &mut Turn<'_>, as_bytes: Option<Arc<[u8]>>) {
        let (State::Trying { request, .. } | State::Proceeding { request }) = &mut self.0 else { return };
        if let Some(bytes) = as_bytes {
            *request = bytes;
        }
        let request = request.clone();
        turn.transmit(&request);
        if !turn.is_reliable() {
            turn.arm_retransmit(TimerName::E, turn.timers.t1);
        }
    }

    /// True while requests are still sent: an ICMP error then concerns this one.
    pub fn is_sending(&self) -> bool {
        !matches!(self.0, State::Completed)
    }

    pub fn on_response(&mut self, turn: &mut Turn<'_>, message: Message) -> Step {
        match &self.0 {
            State::Completed => Step::Stay,
            State::Trying { request, .. } | State::Proceeding { request } if message.status() < 200 => {
                // 17.1.2.2: in Proceeding, timer E runs with T2.
                let request = request.clone();
                if matches!(self.0, State::Trying { .. }) && !turn.is_reliable() {
                    turn.arm_retransmit(TimerName::E, turn.timers.t2);
                }
                self.0 = State::Proceeding { request };
                turn.respond_up(message);
                Step::Stay
            }
            _ => self.on_final(turn, message),
        }
    }

    fn on_final(&mut self, turn: &mut Turn<'_>, message: Message) -> Step {
        self.0 = State::Completed;
        turn.disarm_retransmit();
        turn.respond_up(message);
        let wait = turn.linger(turn.timers.t4);
        if wait.is_zero() {
            return Step::End;
        }
        turn.arm_end(TimerName::K, wait);
        Step::Stay
    }

    pub fn on_timer(&mut self, turn: &mut Turn<'_>, name: TimerName) -> Step {
        match (&mut self.0, name) {
            (State::Trying { request, interval }, TimerName::E) => {
                *interval = interval.saturating_mul(2).min(turn.timers.t2);
                let next = *interval;
                let request = request.clone();
                turn.transmit(&request);
                turn.arm_retransmit(TimerName::E, next);
                Step::Stay
            }
            (State::Proceeding { request }, TimerName::E) => {
                let request = request.clone();
                turn.transmit(&request);
                turn.arm_retransmit(TimerName::E, turn.timers.t2);
                Step::Stay
            }
            (State::Trying { .. } | State::Proceeding { .. }, TimerName::F) => {
                turn.report(|key| Effect::Timeout { key: ClientKey(key), timer: TimerName::F });
                Step::End
            }
            // K.
            _ => Step::End,
        }
    }
}
