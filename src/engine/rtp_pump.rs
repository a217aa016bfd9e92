//! Who turns a driver: a thread of the library, or the host whenever it polls.

use super::call::{lock, Timeout};
use super::clock;
use super::epoll::Epoll;
use super::error::{Error, ErrorKind, Result};
use super::fd::Wake;
use super::rtp_driver::{Command, Driver, Routes, Sockets};
use super::signal::Signal;
use super::thread;
use crate::util::Time;
use crossbeam_channel as channel;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Commands between two turns.
const COMMANDS: usize = 4096;

pub(super) struct Pump {
    commands: channel::Sender<Command>,
    wake: Arc<Wake>,
    epoll: Arc<Epoll>,
    driven: bool,
    seat: Mutex<Seat>,
    /// Notified when the driver is back in its seat.
    back: Signal,
    over: AtomicBool,
    /// Nanoseconds of `Time`; all ones: nothing is due.
    next: Arc<AtomicU64>,
}

enum Seat {
    Thread(Option<JoinHandle<()>>),
    /// None while somebody polls.
    Host(Option<Box<Driver>>),
    Gone,
}

/// A driver before it runs.
pub(super) struct Parked {
    driver: Box<Driver>,
    commands: channel::Sender<Command>,
    wake: Arc<Wake>,
}

impl Parked {
    pub fn new(sockets: Sockets, routes: Routes) -> Result<Parked> {
        let (sender, receiver) = channel::bounded(COMMANDS);
        let wake = Arc::new(Wake::new()?);
        let driver = Box::new(Driver::new(sockets, routes, wake.clone(), receiver)?);
        Ok(Parked { driver, commands: sender, wake })
    }

    pub fn launch(self, driven: bool) -> Result<Arc<Pump>> {
        let Parked { mut driver, commands, wake } = self;
        let epoll = driver.epoll();
        let next = Arc::new(AtomicU64::new(u64::MAX));
        let seat = if driven {
            Seat::Host(Some(driver))
        } else {
            let next = next.clone();
            let body = move || {
                while !driver.has_quit() {
                    if let Err(error) = driver.turn(None) {
                        log::error!(target: "voip::engine", "{error}");
                        break;
                    }
                    note_next(&next, &driver);
                }
            };
            Seat::Thread(Some(thread::spawn("voip-rtp", None, body)?))
        };
        let (seat, back, over) = (Mutex::new(seat), Signal::new(), AtomicBool::new(false));
        Ok(Arc::new(Pump { commands, wake, epoll, driven, seat, back, over, next }))
    }
}

fn note_next(next: &AtomicU64, driver: &Driver) {
    let at = driver.next_deadline().map_or(u64::MAX, Time::as_nanos);
    next.store(at, Ordering::Release);
}

impl Pump {
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    pub fn post(&self, command: Command) -> Result<()> {
        if self.is_over() {
            return Err(super::rtp_shared::over());
        }
        let full = |_| Error::new(ErrorKind::Limit, format!("{COMMANDS} commands wait to be taken"));
        self.commands.try_send(command).map_err(full)?;
        self.wake.wake();
        Ok(())
    }

    /// Readable when `poll` would find something to do.
    pub fn descriptor(&self) -> Result<RawFd> {
        self.require_driven()?;
        Ok(self.epoll.as_raw_fd())
    }

    /// How long until something is due; None: nothing is.
    pub fn due_in(&self) -> Result<Timeout> {
        self.require_driven()?;
        let at = self.next.load(Ordering::Acquire);
        Ok((at != u64::MAX).then(|| Time::from_nanos(at).since(clock::now())))
    }

    fn require_driven(&self) -> Result<()> {
        if self.driven {
            return Ok(());
        }
        Err(Error::new(ErrorKind::State, "a thread of the library drives it"))
    }

    fn take(&self) -> Option<Box<Driver>> {
        match &mut *lock(&self.seat) {
            Seat::Host(driver) => driver.take(),
            _ => None,
        }
    }
    fn put_back(&self, driver: Box<Driver>) {
        if let Seat::Host(place) = &mut *lock(&self.seat) {
            *place = Some(driver);
        }
        self.back.notify();
    }

    /// Waits for something to do, at most so long, and does it.
    pub fn poll(&self, timeout: Timeout) -> Result<()> {
        self.require_driven()?;
        if self.is_over() {
            return Err(super::rtp_shared::over());
        }
        let busy = || Error::new(ErrorKind::Busy, "another thread polls it right now");
        let mut driver = self.take().ok_or_else(busy)?;
        let done = driver.turn(timeout);
        note_next(&self.next, &driver);
        self.put_back(driver);
        done
    }

    /// Has what was posted done now, if the host drives it and nobody polls.
    pub fn settle(&self) {
        if let Some(mut driver) = self.take() {
            driver.take_commands();
            note_next(&self.next, &driver);
            self.put_back(driver);
        }
    }

    /// All its streams end. When this returns none of their callbacks runs any more.
    pub fn close(&self) {
        if self.over.swap(true, Ordering::AcqRel) {
            return;
        }
        let _ = self.commands.send_timeout(Command::Quit, Duration::from_secs(1));
        self.wake.wake();
        if !self.driven {
            let join = match std::mem::replace(&mut *lock(&self.seat), Seat::Gone) {
                Seat::Thread(join) => join,
                _ => None,
            };
            // The thread itself can't wait for its own end; it ends behind its callback.
            if let Some(join) = join.filter(|j| j.thread().id() != std::thread::current().id()) {
                let _ = join.join();
            }
            return;
        }
        let driver = self.back.wait(None, || self.take());
        *lock(&self.seat) = Seat::Gone;
        drop(driver);
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.close();
    }
}
