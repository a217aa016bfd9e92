//! How a phone starts, stops and goes.

use super::call::{lock, timed_out, Timeout};
use super::clock;
use super::config::EventMode;
use super::control::Control;
use super::error::{Error, ErrorKind, Result};
use super::event::{Event, EventKind};
use super::fd;
use super::link::ToControl;
use super::phone::{Phone, PhoneStatus, STOP_BOUND};
use super::thread;
use super::trim;
use crate::ua::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

#[derive(Default)]
pub struct Threads {
    control: Option<JoinHandle<()>>,
    dispatcher: Option<(JoinHandle<()>, Arc<AtomicBool>)>,
}

/// Descriptors that a phone needs besides one a call.
const DESCRIPTORS: u64 = 64;

impl Phone {
    /// Opens the sockets, starts the threads, registers. Errors are immediate (AddressInUse, NoPorts …). A phone
    /// that was stopped may be started again.
    pub fn start(&self) -> Result<()> {
        let shared = self.shared();
        if shared.closing.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::State, "the phone is being freed"));
        }
        let before = self.status();
        if !before.is_at_rest() || !shared.change_status(before, PhoneStatus::Starting) {
            return Err(Error::new(ErrorKind::State, format!("the phone is {before:?} already")));
        }
        let started = self.start_threads();
        match &started {
            Ok(()) => self.tell_status(PhoneStatus::Running),
            Err(error) => {
                log::error!(target: "voip::engine", "the phone could not start: {error}");
                shared.link.set_running(false);
                shared.set_status(PhoneStatus::Failed);
            }
        }
        started
    }

    fn start_threads(&self) -> Result<()> {
        let shared = self.shared();
        self.check_descriptors();
        // The first stream needs a port: better to say now that there is none.
        let port = self.reserve_port()?;
        self.release_port(port)?;
        self.join_control();
        shared.reset_accounts();
        let control = Control::new(shared.clone())?;
        *lock(&shared.local) = Some(control.local());
        if shared.config.event_mode == EventMode::Thread {
            self.start_dispatcher()?;
        }
        shared.link.set_running(true);
        shared.open_registry();
        shared.set_status(PhoneStatus::Running);
        let hook = shared.config.thread_hook.clone();
        let phone = shared.clone();
        let join = thread::spawn("voip-ctl", hook, move || {
            if let Err(text) = thread::caught(|| control.run()) {
                log::error!(target: "voip::engine", "the control thread panicked: {text}");
                phone.fail();
            }
        })?;
        lock(&shared.threads).control = Some(join);
        self.post_accounts();
        Ok(())
    }

    fn check_descriptors(&self) {
        let (limit, calls) = (fd::descriptor_limit(), self.config().max_calls as u64);
        if limit < calls + DESCRIPTORS {
            log::warn!(
                target: "voip::engine",
                "{limit} open files are allowed, {calls} calls may need {}: raise RLIMIT_NOFILE",
                calls + DESCRIPTORS
            );
        }
    }

    fn start_dispatcher(&self) -> Result<()> {
        let shared = self.shared();
        if lock(&shared.threads).dispatcher.is_some() {
            return Ok(());
        }
        let quit = Arc::new(AtomicBool::new(false));
        let (link, flag) = (shared.link.clone(), quit.clone());
        let hook = shared.config.thread_hook.clone();
        let join = thread::spawn("voip-evt", hook, move || {
            link.dispatcher.run(&flag, || trim::give_back(link.hook.clone()));
        })?;
        lock(&shared.threads).dispatcher = Some((join, quit));
        Ok(())
    }

    fn tell_status(&self, status: PhoneStatus) {
        self.link().dispatcher.push(Event { call: None, kind: EventKind::Phone(status) });
    }

    /// Begins to end: calls, registrations, threads. Does not wait. A second stop can only bring the end forward.
    pub fn stop(&self, deadline: Duration) -> Result<()> {
        let shared = self.shared();
        if shared.change_status(PhoneStatus::Running, PhoneStatus::Stopping) {
            self.tell_status(PhoneStatus::Stopping);
        } else if self.status() != PhoneStatus::Stopping {
            return Err(Error::new(ErrorKind::State, "stop: the phone is not running"));
        }
        let deadline = clock::now() + deadline;
        self.link().post_urgent(ToControl::Command(Command::Stop { deadline }));
        Ok(())
    }

    pub fn wait_stopped(&self, timeout: Timeout) -> Result<()> {
        self.link().dispatcher.refuse_in_callback()?;
        let at_rest = || self.status().is_at_rest().then_some(());
        self.shared().signal.wait_for(timeout, at_rest).ok_or_else(timed_out)
    }

    /// Stops at once if running (deadline `Duration::ZERO` after un-REGISTER was sent), joins all threads.
    /// After it returns no event is delivered. Err(InCallback) when called from a callback of this phone.
    /// Events that wait are delivered before: by the dispatcher, or on this thread when the host pumps.
    pub fn shutdown(&self) -> Result<()> {
        self.link().dispatcher.refuse_in_callback()?;
        let shared = self.shared();
        if shared.closing.swap(true, Ordering::AcqRel) {
            let gone = || shared.gone.load(Ordering::Acquire).then_some(());
            shared.signal.wait(None, gone);
            return Ok(());
        }
        // A start that runs on another thread ends in Running or Failed.
        let deadline = Some(clock::now() + STOP_BOUND);
        let settled = || (self.status() != PhoneStatus::Starting).then_some(());
        shared.signal.wait(deadline, settled);
        let _ = self.stop(Duration::ZERO);
        let stopped = self.wait_stopped(Some(STOP_BOUND)).is_ok();
        if stopped {
            self.join_control();
        } else {
            log::error!(target: "voip::engine", "the control thread does not end");
        }
        let dispatcher = lock(&shared.threads).dispatcher.take();
        if let Some((join, quit)) = dispatcher {
            quit.store(true, Ordering::Release);
            shared.link.dispatcher.notify();
            let _ = join.join();
        }
        shared.link.dispatcher.close();
        shared.gone.store(true, Ordering::Release);
        shared.signal.notify();
        Ok(())
    }

    fn join_control(&self) {
        let control = lock(&self.shared().threads).control.take();
        if let Some(join) = control {
            let _ = join.join();
        }
    }
}
