//! The events of a phone on their way to the host: one bounded queue, delivered one at a time by whoever pumps.

use super::call::Timeout;
use super::clock;
use super::error::{Error, ErrorKind, Result};
use super::event::Event;
use super::fd::EventFd;
use super::phone::EventSink;
use super::signal::Signal;
use super::thread;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

thread_local! {
    /// The phones whose events this thread is delivering, innermost last.
    static DELIVERING: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Queue, sink and the right to deliver.
pub struct Dispatcher {
    id: u64,
    events: Mutex<VecDeque<Event>>,
    bound: usize,
    /// Something was queued since the last wake-up.
    unannounced: AtomicBool,
    dropped: AtomicU64,
    /// Notified for each event, when the right to deliver is free again, and at the end.
    signal: Signal,
    /// Host mode only: readable while events wait.
    fd: Option<EventFd>,
    /// Nothing is kept for a host that never gave a sink.
    listening: AtomicBool,
    closed: AtomicBool,
    /// A crowd has gone: the thread that delivers has memory to give back.
    crowd_gone: AtomicBool,
    /// The one lock that is held while the host's code runs. Nothing but delivery waits for it.
    turn: Mutex<Option<EventSink>>,
    /// A sink that takes over between two events.
    next: Mutex<Option<EventSink>>,
}

impl Dispatcher {
    pub fn new(bound: usize, with_fd: bool) -> Result<Dispatcher> {
        Ok(Dispatcher {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            events: Mutex::new(VecDeque::new()),
            bound,
            unannounced: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            signal: Signal::new(),
            fd: if with_fd { Some(EventFd::new()?) } else { None },
            listening: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            crowd_gone: AtomicBool::new(false),
            turn: Mutex::new(None),
            next: Mutex::new(None),
        })
    }

    /// -1 without host mode.
    pub fn fd(&self) -> i32 {
        self.fd.as_ref().map_or(-1, |fd| fd.as_raw_fd())
    }
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
    pub fn shrink(&self) {
        // Not to nothing: as with `Slab::shrink`.
        lock(&self.events).shrink_to(1);
        self.crowd_gone.store(true, Ordering::Release);
        self.signal.notify();
    }
    pub fn waiting(&self) -> usize {
        lock(&self.events).len()
    }
    /// So full that no new call should come in.
    pub fn is_full(&self) -> bool {
        self.waiting() >= self.bound
    }
    pub fn in_callback(&self) -> bool {
        DELIVERING.with(|d| d.try_borrow().is_ok_and(|d| d.contains(&self.id)))
    }
    pub fn refuse_in_callback(&self) -> Result<()> {
        if self.in_callback() {
            return Err(Error::new(
                ErrorKind::InCallback,
                "not allowed inside an event callback of this phone",
            ));
        }
        Ok(())
    }

    /// Queues an event and wakes who delivers. One that may be lost is lost when the queue is full, and counted.
    pub fn push(&self, event: Event) {
        self.queue(event);
        self.announce_queued();
    }

    /// As `push`, but nobody is woken before `announce_queued`: many events then cost one wake-up.
    pub fn queue(&self, event: Event) {
        if !self.listening.load(Ordering::Acquire) || self.closed.load(Ordering::Acquire) {
            return;
        }
        {
            let mut events = lock(&self.events);
            if events.len() >= self.bound && event.may_be_dropped() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            events.push_back(event);
        }
        self.unannounced.store(true, Ordering::Release);
    }

    pub fn announce_queued(&self) {
        if !self.unannounced.swap(false, Ordering::AcqRel) {
            return;
        }
        if let Some(fd) = &self.fd {
            fd.set();
        }
        self.signal.notify();
    }

    fn pop(&self) -> Option<Event> {
        let (event, empty) = {
            let mut events = lock(&self.events);
            (events.pop_front(), events.is_empty())
        };
        if empty {
            if let Some(fd) = &self.fd {
                fd.clear();
                // One that was pushed before the clearing would be forgotten otherwise.
                if self.waiting() > 0 {
                    fd.set();
                }
            }
        }
        event
    }

    /// The new sink takes over between two events; the old one is dropped when nothing runs in it any more.
    pub fn set_sink(&self, sink: EventSink) {
        self.listening.store(true, Ordering::Release);
        let unused = lock(&self.next).replace(sink);
        drop(unused);
        self.change_sink_if_idle();
    }

    /// Whoever holds the turn changes the sink; if that one has just looked, it is us.
    fn change_sink_if_idle(&self) {
        while lock(&self.next).is_some() {
            let Some(mut turn) = self.try_turn() else { return };
            self.adopt_sink(&mut turn);
            drop(turn);
            self.signal.notify();
        }
    }

    fn adopt_sink(&self, turn: &mut Option<EventSink>) {
        let next = lock(&self.next).take();
        if let Some(sink) = next {
            let old = turn.replace(sink);
            // Dropping runs the host's destroy function: as careful as with a callback.
            if let Err(text) = thread::caught(|| drop(old)) {
                log::error!(target: "voip::engine", "the destruction of an event sink panicked: {text}");
            }
        }
    }

    fn try_turn(&self) -> Option<MutexGuard<'_, Option<EventSink>>> {
        match self.turn.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(e)) => Some(e.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Delivers up to `max` events on this thread, waits for the first up to the time-out.
    pub fn process(&self, max: usize, timeout: Timeout) -> Result<usize> {
        self.refuse_in_callback()?;
        let deadline = clock::deadline(timeout);
        let mut delivered = 0;
        while delivered < max {
            let until = if delivered == 0 { deadline } else { Some(clock::now()) };
            let closed = || self.closed.load(Ordering::Acquire);
            let turn = self.signal.wait(until, || {
                if closed() {
                    return Some(None);
                }
                if self.waiting() == 0 {
                    return None;
                }
                self.try_turn().map(Some)
            });
            let Some(turn) = turn else { break };
            let Some(mut turn) = turn else {
                return if delivered > 0 { Ok(delivered) } else { Err(stopped()) };
            };
            delivered += usize::from(self.deliver(&mut turn));
            drop(turn);
            self.after_turn();
        }
        if delivered == 0 {
            self.settle_fd();
        }
        Ok(delivered)
    }

    /// A descriptor that was announced late, for an event that is gone already, becomes unreadable here.
    fn settle_fd(&self) {
        let Some(fd) = &self.fd else { return };
        if self.waiting() == 0 {
            fd.clear();
            if self.waiting() > 0 {
                fd.set();
            }
        }
    }

    fn after_turn(&self) {
        self.change_sink_if_idle();
        self.signal.notify();
    }

    fn deliver(&self, turn: &mut Option<EventSink>) -> bool {
        self.adopt_sink(turn);
        let Some(event) = self.pop() else { return false };
        let Some(sink) = turn.as_mut() else { return true };
        DELIVERING.with(|d| d.borrow_mut().push(self.id));
        let outcome = thread::caught(|| sink(&event));
        DELIVERING.with(|d| d.borrow_mut().pop());
        if let Err(text) = outcome {
            log::error!(target: "voip::engine", "an event callback panicked: {text}");
        }
        true
    }

    /// The dispatcher thread: until `quit` says so and nothing is left. `give_back` runs when a crowd has gone.
    pub fn run(&self, quit: &AtomicBool, give_back: impl Fn()) {
        loop {
            let over = || quit.load(Ordering::Acquire) || self.closed.load(Ordering::Acquire);
            let crowd_gone = || self.crowd_gone.load(Ordering::Acquire);
            let more = self.signal.wait(None, || {
                if crowd_gone() {
                    return Some(None);
                }
                if self.waiting() > 0 {
                    return self.try_turn().map(Some);
                }
                over().then_some(None)
            });
            if self.crowd_gone.swap(false, Ordering::AcqRel) {
                drop(more);
                give_back();
                self.after_turn();
                continue;
            }
            let Some(Some(mut turn)) = more else { return };
            self.deliver(&mut turn);
            drop(turn);
            self.after_turn();
        }
    }

    pub fn notify(&self) {
        self.signal.notify();
    }

    /// Delivers what is left on this thread, waits for a callback that runs, drops the sink. No event afterwards.
    pub fn close(&self) {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.closed.load(Ordering::Acquire) {
            if !self.deliver(&mut turn) {
                break;
            }
        }
        self.closed.store(true, Ordering::Release);
        let sinks = (turn.take(), lock(&self.next).take());
        drop(turn);
        let left = std::mem::take(&mut *lock(&self.events));
        if let Err(text) = thread::caught(|| drop((sinks, left))) {
            log::error!(target: "voip::engine", "the destruction of an event sink panicked: {text}");
        }
        self.signal.notify();
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::State, "the phone is gone")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::event::EventKind;
    use super::super::fd::readable;
    use super::super::phone::PhoneStatus;
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    fn event(status: PhoneStatus) -> Event {
        Event { call: None, kind: EventKind::Phone(status) }
    }

    fn counting(counter: &Arc<AtomicU64>) -> EventSink {
        let counter = counter.clone();
        Box::new(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        })
    }

    #[test]
    fn the_descriptor_is_readable_exactly_while_events_wait() {
        let queue = Dispatcher::new(8, true).unwrap();
        let count = Arc::new(AtomicU64::new(0));
        queue.set_sink(counting(&count));
        assert!(!readable(queue.fd(), 0));
        queue.push(event(PhoneStatus::Starting));
        queue.push(event(PhoneStatus::Running));
        assert!(readable(queue.fd(), 0));
        assert_eq!(queue.process(1, Some(Duration::ZERO)).unwrap(), 1);
        assert!(readable(queue.fd(), 0));
        assert_eq!(queue.process(9, Some(Duration::ZERO)).unwrap(), 1);
        assert!(!readable(queue.fd(), 0));
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn inside_a_callback_the_same_phone_refuses_to_deliver() {
        let queue = Arc::new(Dispatcher::new(8, false).unwrap());
        let (inner, seen) = (queue.clone(), Arc::new(Mutex::new(None)));
        let out = seen.clone();
        queue.set_sink(Box::new(move |_| {
            *out.lock().unwrap() = Some((inner.in_callback(), inner.process(1, None).unwrap_err().kind));
        }));
        queue.push(event(PhoneStatus::Running));
        queue.process(1, None).unwrap();
        assert_eq!(*seen.lock().unwrap(), Some((true, ErrorKind::InCallback)));
        assert!(!queue.in_callback());
    }

    #[test]
    fn a_new_sink_takes_over_between_two_events_and_the_old_one_is_dropped() {
        struct Dropped(Arc<AtomicBool>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let queue = Arc::new(Dispatcher::new(8, false).unwrap());
        let (gone, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (guard, inner, later) = (Dropped(gone.clone()), queue.clone(), count.clone());
        let still = gone.clone();
        queue.set_sink(Box::new(move |_| {
            let _keep = &guard;
            inner.set_sink(counting(&later));
            assert!(!still.load(Ordering::SeqCst));
        }));
        queue.push(event(PhoneStatus::Starting));
        queue.push(event(PhoneStatus::Running));
        assert_eq!(queue.process(2, None).unwrap(), 2);
        assert!(gone.load(Ordering::SeqCst));
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_panic_in_a_callback_stays_there_and_the_next_event_comes() {
        let queue = Dispatcher::new(8, false).unwrap();
        let count = Arc::new(AtomicU64::new(0));
        let seen = count.clone();
        queue.set_sink(Box::new(move |_| {
            if seen.fetch_add(1, Ordering::SeqCst) == 0 {
                std::panic::resume_unwind(Box::new("quietly"));
            }
        }));
        queue.push(event(PhoneStatus::Starting));
        queue.push(event(PhoneStatus::Running));
        assert_eq!(queue.process(5, Some(Duration::ZERO)).unwrap(), 2);
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn what_may_be_lost_is_lost_when_the_queue_is_full_and_counted() {
        let queue = Dispatcher::new(2, false).unwrap();
        queue.set_sink(Box::new(|_| ()));
        let stats = || Event { call: None, kind: EventKind::CallStats(Default::default()) };
        for _ in 0..5 {
            queue.push(stats());
        }
        queue.push(event(PhoneStatus::Stopped));
        assert_eq!((queue.waiting(), queue.dropped()), (3, 3));
    }

    #[test]
    fn events_of_a_phone_are_delivered_one_at_a_time_whoever_pumps() {
        let queue = Arc::new(Dispatcher::new(10_000, false).unwrap());
        let (inside, total) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (i, t) = (inside.clone(), total.clone());
        queue.set_sink(Box::new(move |_| {
            assert!(!i.swap(true, Ordering::SeqCst));
            t.fetch_add(1, Ordering::SeqCst);
            i.store(false, Ordering::SeqCst);
        }));
        let pumps: Vec<_> = (0..4)
            .map(|_| {
                let queue = queue.clone();
                std::thread::spawn(move || while queue.process(3, None).is_ok() {})
            })
            .collect();
        for _ in 0..2000 {
            queue.push(event(PhoneStatus::Running));
        }
        queue.close();
        for pump in pumps {
            pump.join().unwrap();
        }
        assert_eq!(total.load(Ordering::SeqCst), 2000);
        assert!(!inside.load(Ordering::SeqCst));
    }
}
