//! The RTP ports of a phone: even ones of a range, each leased to one stream at a time.

use super::error::{Error, ErrorKind, Result};
use crate::util::Rng;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub struct PortPool {
    /// First even port.
    first: u16,
    /// How many even ports the range has.
    count: u32,
    leased: Mutex<Leased>,
}

/// A bit for each port of the range, set while somebody has it.
#[derive(Debug)]
struct Leased {
    words: Box<[u64]>,
    len: u32,
}

/// A port that nobody else of this phone has; given back when dropped.
#[derive(Debug)]
pub struct PortLease {
    pool: Arc<PortPool>,
    port: u16,
}

impl PortPool {
    /// Both ends inclusive; only even ports are used (RFC 3550 section 11).
    pub fn new(low: u16, high: u16) -> Result<Arc<PortPool>> {
        let first = u32::from(low) + u32::from(low % 2);
        let last = u32::from(high) & !1;
        if low > high || first > last || first == 0 {
            return Err(Error::new(ErrorKind::Range, format!("rtp ports {low} to {high} hold no even port")));
        }
        let count = (last - first) / 2 + 1;
        let words = vec![0; count.div_ceil(u64::BITS) as usize].into();
        Ok(Arc::new(PortPool { first: first as u16, count, leased: Mutex::new(Leased { words, len: 0 }) }))
    }

    pub fn in_use(&self) -> usize {
        self.lock().len as usize
    }

    /// Takes ports at random until `bind` succeeds: one, unless strangers hold some of the range. Each is tried once.
    pub fn open<T>(
        self: &Arc<PortPool>,
        rng: &mut dyn Rng,
        mut bind: impl FnMut(u16) -> io::Result<T>,
    ) -> Result<(T, PortLease)> {
        // Given back when they are dropped.
        let mut passed_over = Vec::new();
        while let Some(lease) = self.take(rng) {
            match bind(lease.port) {
                Ok(opened) => return Ok((opened, lease)),
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => passed_over.push(lease),
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => passed_over.push(lease),
                Err(e) => return Err(Error::system("opening an rtp port", &e)),
            }
        }
        let last = self.first + ((self.count - 1) as u16) * 2;
        Err(Error::new(ErrorKind::NoPorts, format!("no free rtp port from {} to {last}", self.first)))
    }

    fn take(self: &Arc<PortPool>, rng: &mut dyn Rng) -> Option<PortLease> {
        let place = self.lock().take(self.count, rng)?;
        Some(PortLease { pool: self.clone(), port: self.first + place * 2 })
    }

    fn give_back(&self, port: u16) {
        self.lock().give_back(u32::from(port - self.first) / 2);
    }

    fn lock(&self) -> MutexGuard<'_, Leased> {
        self.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Draws at random before the free ones are counted, which takes longer.
const DRAWS: usize = 8;

impl Leased {
    /// A free place below `count`, each as likely as the others.
    fn take(&mut self, count: u32, rng: &mut dyn Rng) -> Option<u16> {
        let free = count.checked_sub(self.len).filter(|free| *free > 0)?;
        let drawn = (0..DRAWS).map(|_| rng.below(u64::from(count)) as u32).find(|place| !self.has(*place));
        let place = match drawn {
            Some(place) => place,
            None => self.free_place(rng.below(u64::from(free)) as u32)?,
        };
        *self.words.get_mut((place / u64::BITS) as usize)? |= 1 << (place % u64::BITS);
        self.len += 1;
        u16::try_from(place).ok()
    }

    fn give_back(&mut self, place: u32) {
        if let Some(word) = self.words.get_mut((place / u64::BITS) as usize) {
            *word &= !(1 << (place % u64::BITS));
            self.len = self.len.saturating_sub(1);
        }
    }

    fn has(&self, place: u32) -> bool {
        let word = self.words.get((place / u64::BITS) as usize).copied().unwrap_or(u64::MAX);
        word >> (place % u64::BITS) & 1 != 0
    }

    /// The nth place that is free.
    fn free_place(&self, nth: u32) -> Option<u32> {
        let mut before = 0;
        for (word, first) in self.words.iter().zip((0..).step_by(u64::BITS as usize)) {
            let free = word.count_zeros();
            if nth < before + free {
                return (first..first + u64::BITS)
                    .filter(|place| !self.has(*place))
                    .nth((nth - before) as usize);
            }
            before += free;
        }
        None
    }
}

impl PortLease {
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for PortLease {
    fn drop(&mut self) {
        self.pool.give_back(self.port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::SeededRng;

    #[test]
    fn every_even_port_is_leased_once_and_comes_back_when_dropped() {
        let pool = PortPool::new(10_001, 10_009).unwrap();
        let mut rng = SeededRng::new(1);
        let mut leases: Vec<_> = (0..4).map(|_| pool.open(&mut rng, Ok).unwrap()).collect();
        let mut ports: Vec<u16> = leases.iter().map(|(p, _)| *p).collect();
        ports.sort_unstable();
        assert_eq!(ports, [10_002, 10_004, 10_006, 10_008]);
        assert_eq!(pool.open(&mut rng, Ok).unwrap_err().kind, ErrorKind::NoPorts);
        assert_eq!(pool.in_use(), 4);
        let (port, _) = leases.swap_remove(1);
        assert_eq!(pool.open(&mut rng, Ok).unwrap().0, port);
    }

    #[test]
    fn the_seed_gave_an_index_error_for_an_empty_range_and_we_say_range() {
        for (low, high) in [(20_000, 10_000), (10_001, 10_001), (0, 0)] {
            assert_eq!(PortPool::new(low, high).unwrap_err().kind, ErrorKind::Range);
        }
        assert_eq!(PortPool::new(65_534, 65_535).unwrap().count, 1);
    }

    #[test]
    fn ports_that_strangers_hold_are_passed_over() {
        let pool = PortPool::new(10_000, 10_020).unwrap();
        let busy = |port| if port == 10_010 { Ok(port) } else { Err(io::ErrorKind::AddrInUse.into()) };
        let (port, lease) = pool.open(&mut SeededRng::new(3), busy).unwrap();
        assert_eq!((port, lease.port(), pool.in_use()), (10_010, 10_010, 1));
    }

    #[test]
    fn the_first_port_is_not_predictable() {
        let pool = PortPool::new(10_000, 20_000).unwrap();
        let first = |seed| pool.open(&mut SeededRng::new(seed), Ok).unwrap().0;
        assert_ne!(first(1), first(2));
    }
}
