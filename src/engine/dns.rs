//! Names into addresses by the system's resolver, on one thread that starts with the first look-up.
//!
//! The system's resolver can't be interrupted, so the end of the phone doesn't wait for a look-up that hangs: the
//! thread then ends by itself when the system lets it go, and touches nothing of the host any more.

use super::config::ThreadHook;
use super::thread;
use crate::ua::QueryId;
use crossbeam_channel::{bounded, Sender, TrySendError};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Look-ups that may wait.
const QUEUE: usize = 256;
/// Addresses that are handed on of one answer.
const MAX_ADDRESSES: usize = 16;

pub type Answer = Box<dyn Fn(QueryId, Result<Vec<SocketAddr>, ()>) + Send>;

struct Question {
    query: QueryId,
    host: Box<str>,
    port: u16,
}

/// Taken away at the end, so that a thread that outlives the phone calls nobody.
struct Outlet {
    answer: Answer,
    hook: Option<ThreadHook>,
}

pub struct Resolver {
    outlet: Arc<Mutex<Option<Outlet>>>,
    running: Option<(Sender<Question>, JoinHandle<()>)>,
}

impl Resolver {
    pub fn new(hook: Option<ThreadHook>, answer: Answer) -> Resolver {
        Resolver { outlet: Arc::new(Mutex::new(Some(Outlet { answer, hook }))), running: None }
    }

    /// False if it can't be asked (queue full, no thread).
    pub fn ask(&mut self, query: QueryId, host: Box<str>, port: u16) -> bool {
        if self.running.is_none() {
            self.start();
        }
        let Some((sender, _)) = &self.running else { return false };
        match sender.try_send(Question { query, host, port }) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }

    fn start(&mut self) {
        let (sender, questions) = bounded::<Question>(QUEUE);
        let outlet = self.outlet.clone();
        let body = move || {
            announce(&outlet, true);
            for question in questions {
                let found = look_up(&question);
                let outlet = outlet.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(outlet) = &*outlet else { return };
                (outlet.answer)(question.query, found);
            }
            announce(&outlet, false);
        };
        match thread::spawn("voip-dns", None, body) {
            Ok(handle) => self.running = Some((sender, handle)),
            Err(error) => log::error!(target: "voip::engine", "no thread for name look-ups: {error}"),
        }
    }

    /// Ends the thread if it is idle, and its influence in any case.
    pub fn stop(&mut self) {
        let Some((sender, handle)) = self.running.take() else { return };
        let idle = sender.is_empty();
        drop(sender);
        if idle && handle.is_finished() {
            let _ = handle.join();
        }
        self.outlet.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

fn announce(outlet: &Mutex<Option<Outlet>>, start: bool) {
    let outlet = outlet.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(hook) = outlet.as_ref().and_then(|o| o.hook.as_ref()) {
        let _ = thread::caught(|| hook("voip-dns", start));
    }
}

fn look_up(question: &Question) -> Result<Vec<SocketAddr>, ()> {
    match (&*question.host, question.port).to_socket_addrs() {
        Ok(found) => {
            let mut addresses: Vec<SocketAddr> = Vec::new();
            for address in found {
                if addresses.len() < MAX_ADDRESSES && !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            Ok(addresses)
        }
        Err(error) => {
            log::info!(target: "voip::engine", "no address for {}: {error}", question.host);
            Err(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn localhost_is_found_and_an_impossible_name_is_not() {
        let (sender, answers) = bounded(4);
        let mut dns = Resolver::new(
            None,
            Box::new(move |query, found| {
                let _ = sender.send((query, found));
            }),
        );
        assert!(dns.ask(QueryId(1), "localhost".into(), 5060));
        assert!(dns.ask(QueryId(2), "no such host".into(), 5060));
        let (query, found) = answers.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(query, QueryId(1));
        assert!(found.unwrap().iter().all(|a| a.ip().is_loopback() && a.port() == 5060));
        assert_eq!(answers.recv_timeout(Duration::from_secs(20)).unwrap(), (QueryId(2), Err(())));
        dns.stop();
    }
}
