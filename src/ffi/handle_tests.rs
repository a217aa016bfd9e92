use super::*;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};
use std::sync::mpsc;

/// Says on which life of which thing it is, and counts those that live.
struct Thing<const N: u8> {
    token: usize,
    /// Its token, spoilt by the drop.
    check: AtomicUsize,
    users: AtomicU32,
}

static LIVING: [AtomicUsize; 7] = [const { AtomicUsize::new(0) }; 7];

impl<const N: u8> Thing<N> {
    fn new(token: usize) -> Thing<N> {
        LIVING[usize::from(N)].fetch_add(1, Ordering::SeqCst);
        Thing { token, check: AtomicUsize::new(!token), users: AtomicU32::new(0) }
    }
    fn insert() -> usize
    where
        Self: Kind,
    {
        Self::table().insert(Self::new).ok().unwrap().0
    }
    fn living() -> usize {
        LIVING[usize::from(N)].load(Ordering::SeqCst)
    }
    fn is_whole(&self, token: usize) -> bool {
        self.token == token && self.check.load(Ordering::Relaxed) == !token
    }
}

impl<const N: u8> Drop for Thing<N> {
    fn drop(&mut self) {
        assert_eq!(self.check.swap(0, Ordering::Relaxed), !self.token, "dropped twice");
        LIVING[usize::from(N)].fetch_sub(1, Ordering::SeqCst);
    }
}

macro_rules! thing {
    ($($n:literal)*) => { $(
        impl Kind for Thing<$n> {
            type Opaque = u8;
            const TAG: u8 = (b'0' + $n) | 0x80;
            const NOUN: &'static str = "thing";
            fn table() -> &'static Table<Self> {
                static TABLE: Table<Thing<$n>> = Table::new();
                &TABLE
            }
        }
    )* };
}
thing!(0 1 2 3 4 5 6);

fn stale_sentence<T: Kind>(token: usize) -> String {
    T::table().get(token).err().unwrap().message.into_owned()
}

#[test]
fn a_token_finds_its_thing_until_it_is_taken_out() {
    type T = Thing<0>;
    let (token, thing) = T::table().insert(T::new).ok().unwrap();
    assert_eq!(thing.token, token);
    assert_eq!(T::table().get(token).ok().unwrap().token, token);
    assert!(T::table().remove(token).is_ok());
    assert!(stale_sentence::<T>(token).contains("stale"));
    assert!(T::table().remove(token).err().unwrap().message.contains("stale"));
    // The first use is not over.
    assert!(thing.is_whole(token));
    assert_eq!(T::living(), 1);
    drop(thing);
    assert_eq!(T::living(), 0);
    assert!(stale_sentence::<T>(token).contains("stale"));
}

#[test]
fn a_reused_slot_gives_another_token_and_many_slots_are_all_different() {
    type T = Thing<1>;
    let mut seen = BTreeSet::new();
    for _ in 0..1000 {
        let token = T::insert();
        assert!(seen.insert(token));
        assert!(T::table().remove(token).is_ok());
    }
    let many: Vec<usize> = (0..5000).map(|_| T::insert()).collect();
    assert!(many.iter().all(|token| seen.insert(*token)));
    for token in &many {
        assert!(T::table().get(*token).ok().unwrap().is_whole(*token));
    }
    for token in many {
        assert!(T::table().remove(token).is_ok());
    }
    assert_eq!(T::living(), 0);
}

#[test]
fn null_garbage_and_other_kinds_are_told_apart() {
    type T = Thing<0>;
    let tag = usize::from(T::TAG) << TAG_SHIFT;
    assert_eq!(stale_sentence::<T>(0), "the thing handle is NULL");
    assert!(stale_sentence::<T>(0x7fff_1234_5678).contains("is no thing handle"));
    assert!(stale_sentence::<T>(usize::from(b'P' | 0x80) << TAG_SHIFT).contains("phone, not thing"));
    // Slots that no page is there for, and slots that were never used.
    for index in [0, 1, FIRST - 1, FIRST, 1 << 20, MAX_INDEX] {
        for generation in [0, 1, u32::MAX as usize] {
            let token = tag | (index << INDEX_SHIFT) | generation;
            if generation != 1 || index >= FIRST {
                assert!(stale_sentence::<T>(token).contains("stale"), "{token:#x}");
            }
        }
    }
}

#[test]
fn every_index_has_a_place_of_its_own_in_the_pages() {
    let mut next = (0, 0);
    for index in 0..100_000 {
        assert_eq!(place(index), next);
        next = if next.1 + 1 == FIRST << next.0 { (next.0 + 1, 0) } else { (next.0, next.1 + 1) };
    }
    let (page, at) = place(MAX_INDEX);
    assert!(page < PAGES && at < FIRST << page);
}

/// Threads look up what others put in and take out: each finds its thing whole or finds it stale, and in the end nothing
/// lives. A use that outlived its thing would see the next one's token, or the drop's mark.
#[test]
fn threads_find_their_things_whole_or_find_them_stale() {
    type T = Thing<2>;
    let board: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];
    let over = AtomicBool::new(false);
    let (found, stale) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for n in 0.. {
                    let token = board[n % board.len()].load(Ordering::Relaxed);
                    match T::table().get(token) {
                        Ok(thing) => {
                            assert!(thing.is_whole(token));
                            found.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(fail) => {
                            assert!(token == 0 || fail.message.contains("stale"));
                            stale.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        for n in 0..20_000 {
            let token = T::insert();
            let old = board[n % board.len()].swap(token, Ordering::Relaxed);
            if old != 0 {
                assert!(T::table().remove(old).is_ok_and(|thing| thing.is_whole(old)));
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    for token in board {
        assert!(T::table().remove(token.into_inner()).is_ok());
    }
    assert_eq!(T::living(), 0);
    assert!(found.into_inner() > 0);
}

/// Of threads that take the same thing out one wins, and the last user of all drops it.
#[test]
fn one_of_many_threads_takes_a_thing_out() {
    type T = Thing<3>;
    let (tokens, things): (Vec<_>, Vec<_>) =
        (0..2000).map(|_| T::table().insert(T::new).ok().unwrap()).unzip();
    let won = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for token in &tokens {
                    if T::table().remove(*token).is_ok() {
                        won.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        // Meanwhile the first uses end.
        scope.spawn(move || drop(things));
    });
    assert_eq!((won.into_inner(), T::living()), (2000, 0));
}

#[test]
fn of_those_that_want_to_be_alone_one_is_in() {
    type T = Thing<4>;
    let token = T::insert();
    let ins = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    match T::table().get_alone(token) {
                        Ok(thing) => {
                            assert_eq!(thing.users.fetch_add(1, Ordering::Relaxed), 0);
                            assert_eq!(thing.users.fetch_sub(1, Ordering::Relaxed), 1);
                            ins.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(fail) => assert_eq!(fail.status, voip_status::VOIP_ERR_BUSY),
                    }
                }
            });
        }
    });
    assert!(ins.into_inner() > 0);
    let inside = T::table().get_alone(token).ok().unwrap();
    // Taken out by another thread, it lives until this use is over.
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || {
        let taken = T::table().remove(token).is_ok();
        done.send(taken)
    });
    assert_eq!(wait.recv(), Ok(true));
    assert!(inside.is_whole(token));
    assert_eq!(T::living(), 1);
    drop(inside);
    assert_eq!(T::living(), 0);
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Way {
    Get,
    Alone,
    Remove,
}

/// Each of the cast comes in its way and goes: all orders of these steps, of which each is one atomic step in the real
/// thing, give what a simple account of them says.
#[test]
fn every_order_of_ways_in_and_out_and_of_taking_out_is_right() {
    type T = Thing<6>;
    fn run(cast: [Way; 5], order: &[usize]) {
        let token = T::insert();
        let mut uses: [Option<Ref<T>>; 5] = [const { None }; 5];
        let (mut came, mut live, mut users) = ([false; 5], true, 0);
        for &who in order {
            if std::mem::replace(&mut came[who], true) {
                users -= usize::from(uses[who].take().is_some());
            } else {
                let (done, allowed) = match cast[who] {
                    Way::Get => (T::table().get(token), live),
                    Way::Alone => (T::table().get_alone(token), live && users == 0),
                    Way::Remove => (T::table().remove(token), live),
                };
                let expected = if live { voip_status::VOIP_ERR_BUSY } else { voip_status::VOIP_ERR_HANDLE };
                assert_eq!(
                    done.as_ref().err().map(|f| f.status),
                    (!allowed).then_some(expected),
                    "{order:?}"
                );
                live &= cast[who] != Way::Remove;
                uses[who] = done.ok();
                users += usize::from(uses[who].is_some());
            }
            assert!(uses.iter().flatten().all(|thing| thing.is_whole(token)), "{cast:?} {order:?}");
            assert_eq!(T::living(), usize::from(live || users > 0), "{cast:?} {order:?}");
        }
        assert!(!live && T::living() == 0, "{cast:?} {order:?}");
    }
    fn orders(cast: [Way; 5], left: &mut [usize; 5], order: &mut Vec<usize>) {
        if order.len() == 10 {
            return run(cast, order);
        }
        for who in 0..5 {
            // Two of a kind are alike: the second comes after the first.
            let twin_came = who == 0 || cast[who - 1] != cast[who] || left[who - 1] < 2;
            if left[who] > 0 && twin_came {
                left[who] -= 1;
                order.push(who);
                orders(cast, left, order);
                order.pop();
                left[who] += 1;
            }
        }
    }
    for [a, b, c] in [[Way::Get, Way::Get, Way::Alone], [Way::Get, Way::Alone, Way::Alone]] {
        orders([a, b, c, Way::Remove, Way::Remove], &mut [2; 5], &mut Vec::new());
    }
}

#[test]
fn a_slot_whose_generations_are_used_up_is_used_no_more() {
    type T = Thing<5>;
    let first = T::insert();
    assert!(T::table().remove(first).is_ok());
    // The slot's next life is its last.
    T::table().slot(0).unwrap().state.store(u64::from(u32::MAX) << 32, Ordering::Relaxed);
    let last = T::insert();
    assert_eq!(split(last), (T::TAG, 0, u64::from(u32::MAX)));
    assert!(T::table().remove(last).is_ok());
    assert_eq!(split(T::insert()).1, 1);
    assert!(stale_sentence::<T>(last).contains("stale"));
}
