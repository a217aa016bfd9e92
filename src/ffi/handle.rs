//! Handles are tokens: kind, index and generation in the shape of a pointer, never dereferenced.
//!
//! One table per kind, cut into shards; a look-up takes a shard's read lock, compares the generation and
//! clones an `Arc`. Tokens have their kind in the top byte, so that they are no canonical addresses: a host
//! that follows one by mistake faults at once instead of reading something.

use super::error::{voip_status, Fail, FfiResult};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("handles need pointers of 64 bits");

const SHARDS: usize = 8;
const TAG_SHIFT: u32 = 56;
const INDEX_SHIFT: u32 = 32;
const MAX_INDEX: usize = (1 << 24) - 1;

/// What kind of thing a handle names, and where its table is.
pub(crate) trait Kind: Send + Sync + Sized + 'static {
    /// The type that C sees.
    type Opaque;
    const TAG: u8;
    const NOUN: &'static str;
    fn table() -> &'static Table<Self>;
}

/// For the sentence about a handle of another kind.
const NOUNS: &[(u8, &str)] = &[
    (b'c' | 0x80, "config"),
    (b'a' | 0x80, "account config"),
    (b'P' | 0x80, "phone"),
    (b'A' | 0x80, "account"),
    (b'C' | 0x80, "call"),
    (b'm' | 0x80, "SIP message"),
    (b'd' | 0x80, "SDP"),
    (b's' | 0x80, "SRTP"),
    (b'u' | 0x80, "STUN builder"),
    (b'k' | 0x80, "codec"),
    (b'b' | 0x80, "PCM buffer"),
    (b'w' | 0x80, "WAV"),
    (b'r' | 0x80, "RTP session"),
    (b'x' | 0x80, "RTP mux"),
];

pub(crate) struct Table<T> {
    shards: [RwLock<Shard<T>>; SHARDS],
    next: AtomicUsize,
}

struct Shard<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

struct Slot<T> {
    /// Of the value that is in it, or of the next one.
    generation: u32,
    value: Option<Arc<T>>,
}

impl<T: Kind> Table<T> {
    pub const fn new() -> Table<T> {
        Table {
            shards: [const { RwLock::new(Shard { slots: Vec::new(), free: Vec::new() }) }; SHARDS],
            next: AtomicUsize::new(0),
        }
    }

    /// Puts in what `make` builds around its own token.
    pub fn insert(&self, make: impl FnOnce(usize) -> T) -> FfiResult<(usize, Arc<T>)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % SHARDS;
        let mut shard = self.write(number)?;
        let slot = match shard.free.pop() {
            Some(slot) => slot as usize,
            None => shard.grow(number)?,
        };
        let Some(place) = shard.slots.get_mut(slot) else {
            return Err(Fail::new(voip_status::VOIP_ERR_PANIC, "handle table out of step"));
        };
        let token = token::<T>(slot * SHARDS + number, place.generation);
        let value = Arc::new(make(token));
        place.value = Some(value.clone());
        Ok((token, value))
    }

    /// The thing that a handle names, or the sentence why there is none.
    pub fn get(&self, token: usize) -> FfiResult<Arc<T>> {
        check_kind::<T>(token)?;
        let (number, slot, generation) = split(token);
        let shard = self.read(number)?;
        match shard.slots.get(slot) {
            Some(Slot { generation: g, value: Some(value) }) if *g == generation => Ok(value.clone()),
            _ => Err(stale::<T>(token)),
        }
    }

    /// Takes it out: the token is stale from now on.
    pub fn remove(&self, token: usize) -> FfiResult<Arc<T>> {
        check_kind::<T>(token)?;
        let (number, slot, generation) = split(token);
        let mut shard = self.write(number)?;
        let place = shard.slots.get_mut(slot).filter(|place| place.generation == generation);
        let Some((place, value)) = place.and_then(|place| place.value.take().map(|value| (place, value)))
        else {
            return Err(stale::<T>(token));
        };
        // A slot whose generations are used up stays out of use: no token ever comes back.
        if let Some(next) = place.generation.checked_add(1) {
            place.generation = next;
            shard.free.push(u32::try_from(slot).unwrap_or(u32::MAX));
        }
        Ok(value)
    }

    fn read(&self, number: usize) -> FfiResult<RwLockReadGuard<'_, Shard<T>>> {
        let shard = self.shards.get(number).ok_or_else(|| Fail::argument("no such shard"))?;
        Ok(shard.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, number: usize) -> FfiResult<RwLockWriteGuard<'_, Shard<T>>> {
        let shard = self.shards.get(number).ok_or_else(|| Fail::argument("no such shard"))?;
        Ok(shard.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T: Kind> Shard<T> {
    fn grow(&mut self, number: usize) -> FfiResult<usize> {
        let slot = self.slots.len();
        if slot * SHARDS + number > MAX_INDEX {
            let text = format!("more than {MAX_INDEX} {} handles", T::NOUN);
            return Err(Fail::new(voip_status::VOIP_ERR_LIMIT, text));
        }
        self.slots.push(Slot { generation: 1, value: None });
        Ok(slot)
    }
}

/// Looks a handle of C up.
pub(crate) fn get<T: Kind>(handle: *const T::Opaque) -> FfiResult<Arc<T>> {
    T::table().get(handle as usize)
}

fn token<T: Kind>(index: usize, generation: u32) -> usize {
    (usize::from(T::TAG) << TAG_SHIFT) | (index << INDEX_SHIFT) | generation as usize
}

fn split(token: usize) -> (usize, usize, u32) {
    let index = (token >> INDEX_SHIFT) & MAX_INDEX;
    (index % SHARDS, index / SHARDS, (token & 0xffff_ffff) as u32)
}

fn check_kind<T: Kind>(token: usize) -> FfiResult {
    let tag = (token >> TAG_SHIFT) as u8;
    if tag == T::TAG {
        return Ok(());
    }
    let text = match NOUNS.iter().find(|(t, _)| *t == tag) {
        _ if token == 0 => format!("the {} handle is NULL", T::NOUN),
        Some((_, noun)) => format!("{token:#x} is a handle of another kind ({noun}, not {})", T::NOUN),
        None => format!("{token:#x} is no {} handle", T::NOUN),
    };
    Err(Fail::new(voip_status::VOIP_ERR_HANDLE, text))
}

fn stale<T: Kind>(token: usize) -> Fail {
    let text = format!("{} handle {token:#x} is stale: what it named was freed", T::NOUN);
    Fail::new(voip_status::VOIP_ERR_HANDLE, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(usize);
    impl Kind for Thing {
        type Opaque = u8;
        const TAG: u8 = b't' | 0x80;
        const NOUN: &'static str = "thing";
        fn table() -> &'static Table<Thing> {
            static TABLE: Table<Thing> = Table::new();
            &TABLE
        }
    }

    #[test]
    fn a_token_finds_its_thing_until_it_is_taken_out() {
        let (token, thing) = Thing::table().insert(Thing).ok().unwrap();
        assert_eq!(thing.0, token);
        assert_eq!(Thing::table().get(token).ok().unwrap().0, token);
        assert!(Thing::table().remove(token).is_ok());
        assert!(Thing::table().get(token).err().unwrap().message.contains("stale"));
        assert!(Thing::table().remove(token).err().unwrap().message.contains("stale"));
    }

    #[test]
    fn a_reused_slot_gives_another_token() {
        let table: Table<Thing> = Table::new();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let (token, _) = table.insert(Thing).ok().unwrap();
            assert!(seen.insert(token));
            assert!(table.remove(token).is_ok());
        }
    }

    #[test]
    fn null_garbage_and_other_kinds_are_told_apart() {
        let message = |token| Thing::table().get(token).err().unwrap().message;
        assert_eq!(message(0), "the thing handle is NULL");
        assert!(message(0x7fff_1234_5678).contains("is no thing handle"));
        assert!(message(usize::from(b'P' | 0x80) << TAG_SHIFT).contains("phone, not thing"));
    }
}
