//! The end of an agent: everybody hangs up and un-registers, for so long as the host waits.

use super::super::api::*;
use super::super::base::Alarm;
use super::super::call::end;
use super::Agent;
use crate::util::Time;

impl Agent {
    pub(super) fn stop(&mut self, now: Time, deadline: Time) -> Result<(), UaError> {
        if self.stopping.is_some() {
            return Err(UaError::State);
        }
        self.stopping = Some(deadline);
        self.base.deadlines.push(deadline, Alarm::Stop);
        for key in self.calls.keys() {
            self.with_call(now, key, |c, cx| {
                let _ = c.hang_up(cx, end(EndCause::Shutdown, EndedBy::Local));
            });
        }
        for id in self.accounts.ids() {
            let _ = self.accounts.leave(&mut self.base, now, id, deadline);
        }
        if deadline <= now {
            self.end_all(now);
        }
        Ok(())
    }
    pub(super) fn check_stopped(&mut self) {
        if self.stopping.is_none() || self.stopped {
            return;
        }
        if self.calls.is_empty() && self.messages.is_empty() && self.accounts.are_quiet() {
            self.finish_stop();
        }
    }
    /// The deadline: what hasn't ended yet ends now.
    pub(super) fn end_all(&mut self, now: Time) {
        for key in self.calls.keys() {
            self.with_call(now, key, |c, cx| c.finish(cx, end(EndCause::Shutdown, EndedBy::Local)));
        }
        self.finish_stop();
    }
    pub(super) fn finish_stop(&mut self) {
        self.stopped = true;
        self.messages.abandon(&mut self.base);
        self.base.layer.clear();
        self.base.owners.clear();
        self.base.queries.clear();
        self.invites.clear();
        self.base.event(Event::Stopped);
    }
}
