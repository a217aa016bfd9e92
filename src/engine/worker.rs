//! A media worker from outside: what it is told, what it reports, and the hold on its thread. What it does with
//! that is in `worker_loop`; its streams are in `stream`.

use super::call::Call;
use super::capture::MediaTap;
use super::error::Result;
use super::fd::Wake;
use super::link::Link;
use super::ports::PortLease;
use super::thread;
use super::worker_loop::Worker;
use crate::media::{MediaEvent, MediaStats, PlaySource, RecordTap, Session, StreamParams, TapFn};
use crate::ua::CallId;
use crate::util::Time;
use crossbeam_channel as channel;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

/// To a worker, from the control thread only.
pub enum ToWorker {
    Open(Box<Opening>),
    /// The first description of a stream, or a new one; `ssrc` is what the peer announced.
    Configure {
        call: CallId,
        params: Box<StreamParams>,
        ssrc: Option<u32>,
    },
    /// The next one of the sockets that streams share.
    Share(UdpSocket),
    Op {
        call: CallId,
        op: MediaOp,
    },
    Close {
        call: CallId,
    },
    /// A crowd has gone.
    Trim,
    Quit,
}

pub struct Opening {
    pub call: Call,
    pub session: Session,
    pub path: Path,
}

/// What a stream's packets come and go by.
pub enum Path {
    /// A socket of its own.
    Own { socket: UdpSocket, lease: PortLease, ipv6: bool },
    /// The worker's shared socket of that number.
    Shared(usize),
}

/// What a host wants of a stream.
pub enum MediaOp {
    Play {
        source: PlaySource,
        id: u64,
    },
    PlayStop,
    Keys {
        digits: Box<str>,
        duration: Duration,
        gap: Duration,
        id: u64,
    },
    Record(RecordTap),
    RecordStop,
    /// What the stream sends and gets, as it is on the wire; None: no longer.
    Capture(Option<MediaTap>),
    Tap(Option<TapFn>),
    /// What is between the host and the session alone.
    Session(SessionWork),
    Mute(bool),
    Gain {
        receive: u32,
        send: u32,
    },
    StatsEvery(Duration),
}

pub type SessionWork = Box<dyn FnOnce(&mut Session, Time) + Send>;

/// From a worker to the control thread.
pub enum Report {
    Event {
        call: CallId,
        event: MediaEvent,
    },
    Stats {
        call: CallId,
        stats: MediaStats,
    },
    /// The session failed; the call should end.
    Failed {
        call: CallId,
    },
    /// The last one of the stream.
    Closed {
        call: CallId,
    },
}

/// The control thread's hold on a worker.
pub struct WorkerHandle {
    sender: channel::Sender<ToWorker>,
    /// Commands that may wait. The channel itself takes memory only for what is in it.
    capacity: usize,
    wake: Arc<Wake>,
    join: Option<std::thread::JoinHandle<()>>,
}

impl WorkerHandle {
    /// Only the control thread sends, and the worker takes all of it at its next turn; the bound is for one that hangs.
    pub fn send(&self, message: ToWorker) {
        if self.sender.len() >= self.capacity || self.sender.send(message).is_err() {
            log::error!(target: "voip::engine", "a media worker takes no commands");
        }
        self.wake.wake();
    }
    pub fn join(&mut self) {
        if let Some(join) = self.join.take() {
            let _ = join.join();
        }
    }
}

/// However the control thread ends, its workers end too.
impl Drop for WorkerHandle {
    fn drop(&mut self) {
        if self.join.is_some() {
            self.send(ToWorker::Quit);
            self.join();
        }
    }
}

/// Sends reports to the control thread. Room for one `Closed` a stream is kept.
#[derive(Clone)]
pub struct Reports {
    sender: channel::Sender<Report>,
    /// Reports that may be lost are, beyond this. The channel itself takes memory only for what is in it.
    soft: usize,
    /// Nothing goes beyond this.
    hard: usize,
}

impl Reports {
    pub fn new(max_calls: usize) -> (Reports, channel::Receiver<Report>) {
        let soft = 1024 + max_calls * 4;
        let (sender, receiver) = channel::unbounded();
        (Reports { sender, soft, hard: soft + max_calls * 2 + 64 }, receiver)
    }

    /// False: there was no room, and it is lost.
    pub fn push(&self, report: Report) -> bool {
        self.sender.len() < self.soft && self.sender.send(report).is_ok()
    }
    /// Into the room that is kept for what must not be lost.
    pub fn push_always(&self, report: Report) -> bool {
        self.sender.len() < self.hard && self.sender.send(report).is_ok()
    }
}

pub fn start(
    index: usize,
    max_calls: usize,
    link: Arc<Link>,
    reports: Reports,
    hook: Option<super::config::ThreadHook>,
) -> Result<WorkerHandle> {
    let (sender, commands) = channel::unbounded();
    let wake = Arc::new(Wake::new()?);
    let worker = Worker::new(link, reports, commands, wake.clone())?;
    let join = thread::spawn(&format!("voip-med-{index}"), hook, move || worker.run())?;
    Ok(WorkerHandle { sender, capacity: 1024 + max_calls * 8, wake, join: Some(join) })
}
