//! What every call of a phone shares with it: the way to the control thread, the events, counters.

use super::call::Call;
use super::capture::Start as CaptureStart;
use super::config::{PhoneConfig, ThreadHook};
use super::counters::Counters;
use super::error::{Error, ErrorKind, Result};
use super::fd::Wake;
use super::queue::Dispatcher;
use super::recorder::Recorder;
use super::worker::MediaOp;
use crate::media::Session;
use crate::ua::{AccountId, CallId, Command, DialOptions, QueryId};
use crossbeam_channel::{unbounded, Receiver, Sender};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// To the control thread, in order.
pub enum ToControl {
    Command(Command),
    Dial(Box<Dial>),
    /// For the call's media, once they are open.
    Media {
        call: CallId,
        op: MediaOp,
    },
    /// Keys by SIP INFO: the control thread keeps their rhythm.
    InfoKeys {
        call: CallId,
        id: u64,
        digits: Box<str>,
        duration: Duration,
        gap: Duration,
    },
    Resolved {
        query: QueryId,
        addresses: std::result::Result<Vec<SocketAddr>, ()>,
    },
    RecordFinished {
        call: CallId,
        id: u64,
        frames: u64,
        ok: bool,
    },
    Capture(Box<CaptureStart>),
    CaptureStop {
        call: CallId,
    },
    CaptureFinished {
        call: CallId,
        id: u64,
        packets: u64,
        lost: u64,
        ok: bool,
    },
    /// Look at flags and queues again.
    Look,
}

pub struct Dial {
    pub call: Call,
    pub session: Session,
    pub account: Option<AccountId>,
    pub target: String,
    pub options: DialOptions,
}

pub struct Link {
    sender: Sender<ToControl>,
    /// Commands that may wait. The channel itself takes memory only for what is in it.
    capacity: usize,
    pub receiver: Receiver<ToControl>,
    pub wake: Wake,
    /// False before the start and from the moment that the control thread takes no more commands.
    running: AtomicBool,
    pub dispatcher: Dispatcher,
    pub counters: Counters,
    pub recorder: Recorder,
    pub hook: Option<ThreadHook>,
    pub max_calls: usize,
    pub phone_handle: AtomicU64,
    ids: AtomicU64,
}

impl Link {
    pub fn new(capacity: usize, dispatcher: Dispatcher, config: &PhoneConfig) -> Result<Link> {
        let (sender, receiver) = unbounded();
        Ok(Link {
            sender,
            capacity,
            receiver,
            wake: Wake::new()?,
            running: AtomicBool::new(false),
            dispatcher,
            counters: Counters::default(),
            recorder: Recorder::default(),
            hook: config.thread_hook.clone(),
            max_calls: config.max_calls,
            phone_handle: AtomicU64::new(0),
            ids: AtomicU64::new(1),
        })
    }

    /// A number that is unique in this phone.
    pub fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }
    pub fn set_running(&self, yes: bool) {
        self.running.store(yes, Ordering::SeqCst);
    }

    /// Never blocks.
    pub fn post(&self, message: ToControl) -> Result<()> {
        if !self.running.load(Ordering::SeqCst) {
            return Err(not_running());
        }
        // Threads that race here may each add one beyond it.
        if self.sender.len() >= self.capacity {
            self.counters.commands_refused.add(1);
            return Err(Error::new(ErrorKind::Limit, "too many commands are waiting for the control thread"));
        }
        self.sender.send(message).map_err(|_| not_running())?;
        self.wake.wake();
        Ok(())
    }

    /// For what must not be refused, and is rare.
    pub fn post_urgent(&self, message: ToControl) {
        if self.sender.send(message).is_err() {
            log::error!(target: "voip::engine", "the control thread takes no commands");
        }
        self.wake.wake();
    }
}

pub fn not_running() -> Error {
    Error::new(ErrorKind::State, "the phone is not running")
}
