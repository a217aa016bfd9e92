//! Keys (DTMF) of a call: received ones in a bounded queue, sent ones by RFC 4733 or SIP INFO.

use super::call::{call_ended, lock, timed_out, Call, Timeout};
use super::clock;
use super::error::{Error, ErrorKind, Result};
use super::link::ToControl;
use super::worker::MediaOp;
use crate::ua::CallState;
use crate::util::Time;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Received keys that are kept; later ones are lost.
const MAX_KEYS: usize = 1024;
/// Keys of one `send_dtmf`.
const MAX_DIGITS: usize = 256;

/// How `Call::gather_dtmf` collects keys.
#[derive(Clone, Copy, Debug)]
pub struct Gather<'a> {
    pub max: usize,
    /// Keys that end the input; the one that did is not part of the result.
    pub terminators: &'a [u8],
    /// How long the first key may take, and each later one. None: for ever.
    pub first: Timeout,
    pub between: Timeout,
    /// Stops what is being played when the first key comes.
    pub barge_in: bool,
}

/// What `send_dtmf` takes: keys, and `w`, `,` for pauses.
pub fn is_key(c: char) -> bool {
    matches!(c, '0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d')
}

impl Call {
    /// Digits 0-9 * # A-D, `w` waits half a second, `,` two seconds. `info`: by SIP INFO instead of RFC 4733.
    pub fn send_dtmf(&self, digits: &str, duration_ms: u32, gap_ms: u32, info: bool) -> Result<u64> {
        check_keys(digits, duration_ms, gap_ms)?;
        match self.state() {
            CallState::Ended => return Err(call_ended()),
            CallState::Answered | CallState::Progress => {}
            state => {
                return Err(Error::new(ErrorKind::State, format!("send keys: the call is {state:?}")));
            }
        }
        let id = self.link().next_id();
        let (duration, gap) =
            (Duration::from_millis(duration_ms.into()), Duration::from_millis(gap_ms.into()));
        let digits: Box<str> = digits.to_ascii_uppercase().replace('W', "w").into();
        let shared = self.shared();
        if info {
            shared.job_begun();
            let posted = self.link().post(ToControl::InfoKeys { call: self.id(), id, digits, duration, gap });
            return self.begun(id, posted);
        }
        if !shared.keys_negotiated.load(Ordering::Acquire) {
            let message = "the peer takes no keys by RFC 4733 (telephone-event)";
            return Err(Error::new(ErrorKind::NotSupported, message));
        }
        shared.job_begun();
        let posted = self.media(MediaOp::Keys { digits, duration, gap, id });
        self.begun(id, posted)
    }

    /// The number of a job that was posted; one that was not is over at once.
    pub(super) fn begun(&self, id: u64, posted: Result<()>) -> Result<u64> {
        if posted.is_err() {
            self.shared().job_done();
        }
        posted.map(|()| id)
    }

    /// Takes at least one, up to `buf.len()` digits (ASCII). Err(Timeout), Err(CallEnded).
    pub fn read_dtmf(&self, buf: &mut [u8], timeout: Timeout) -> Result<usize> {
        self.read_keys_until(buf, clock::deadline(timeout))
    }

    fn read_keys_until(&self, buf: &mut [u8], deadline: Option<Time>) -> Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let shared = self.shared();
        let taken = shared.signal().wait(deadline, || {
            let over = self.has_ended();
            let n = take_keys(&mut lock(&shared.keys), buf);
            if n > 0 {
                return Some(Ok(n));
            }
            over.then(|| Err(call_ended()))
        });
        taken.unwrap_or_else(|| Err(timed_out()))
    }

    pub fn pending_dtmf(&self) -> usize {
        lock(&self.shared().keys).len()
    }
    pub fn clear_dtmf(&self) {
        lock(&self.shared().keys).clear();
    }

    /// Collects keys into `buf` until enough, a terminator or a time-out: how many, and the terminator if one
    /// ended it. No key at all in time: Err(Timeout). Err(CallEnded) when the call ends with nothing collected.
    pub fn gather_dtmf(&self, buf: &mut [u8], how: &Gather<'_>) -> Result<(usize, Option<u8>)> {
        self.link().dispatcher.refuse_in_callback()?;
        let most = how.max.min(buf.len());
        let mut count = 0;
        while count < most {
            let timeout = if count == 0 { how.first } else { how.between };
            let mut key = [0];
            match self.read_keys_until(&mut key, clock::deadline(timeout)) {
                Ok(_) => {}
                Err(error) if count == 0 => return Err(error),
                Err(_) => break,
            }
            if count == 0 && how.barge_in {
                // Nothing may be playing, and the call may have ended: the keys count all the same.
                let _ = self.play_stop();
            }
            let [key] = key;
            if how.terminators.contains(&key) {
                return Ok((count, Some(key)));
            }
            if let Some(place) = buf.get_mut(count) {
                *place = key;
            }
            count += 1;
        }
        Ok((count, None))
    }

    /// From the control thread, at the beginning of each key.
    pub(super) fn key_received(&self, key: char) {
        {
            let mut keys = lock(&self.shared().keys);
            if keys.len() >= MAX_KEYS || !key.is_ascii() {
                return;
            }
            keys.push_back(key as u8);
        }
        self.shared().signal().notify();
    }
}

fn take_keys(keys: &mut std::collections::VecDeque<u8>, buf: &mut [u8]) -> usize {
    let n = keys.len().min(buf.len());
    for (place, key) in buf.iter_mut().zip(keys.drain(..n)) {
        *place = key;
    }
    n
}

pub(super) fn check_keys(digits: &str, duration_ms: u32, gap_ms: u32) -> Result<()> {
    let argument = |message| Err(Error::new(ErrorKind::Argument, message));
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return argument(format!("{} keys at once, 1 to {MAX_DIGITS} are possible", digits.len()));
    }
    if let Some(c) = digits.chars().find(|c| !is_key(*c) && !matches!(c, 'w' | 'W' | ',')) {
        return argument(format!("{c:?} is no key"));
    }
    if !(40..=5000).contains(&duration_ms) || !(20..=5000).contains(&gap_ms) {
        let message = format!("keys of {duration_ms} ms with gaps of {gap_ms} ms: 40 to 5000 and 20 to 5000");
        return Err(Error::new(ErrorKind::Range, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_and_pauses_can_be_sent() {
        assert!(check_keys("0123456789*#ABCDabcdw,", 100, 70).is_ok());
        assert_eq!(check_keys("12x", 100, 70).unwrap_err().message, "'x' is no key");
        assert_eq!(check_keys("", 100, 70).unwrap_err().kind, ErrorKind::Argument);
        assert_eq!(check_keys("1", 1, 70).unwrap_err().kind, ErrorKind::Range);
    }

    #[test]
    fn keys_are_taken_in_order_and_no_more_than_wanted() {
        let mut keys: std::collections::VecDeque<u8> = b"195".iter().copied().collect();
        let mut buf = [0; 2];
        assert_eq!((take_keys(&mut keys, &mut buf), &buf), (2, b"19"));
        assert_eq!(take_keys(&mut keys, &mut buf), 1);
        assert_eq!(take_keys(&mut keys, &mut buf), 0);
    }
}
