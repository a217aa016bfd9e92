use super::super::ring_memory::LIVE;
use super::*;
use crate::util::{Rng, SeededRng};
use std::collections::VecDeque;

fn ring(capacity: usize, near: usize) -> (RingWriter, RingReader) {
    let other = Room { capacity: 7, near: 7 };
    ring_pair(Room { capacity, near }, other).into_iter().next().expect("two rings")
}

#[test]
fn it_holds_what_it_promises_and_no_more() {
    for near in [1, 7, 10, 100] {
        let (mut w, mut r) = ring(10, near);
        assert_eq!(w.push(&[1; 7]), 7);
        assert!(!w.push_all(&[2; 4]));
        assert_eq!(w.push(&[2; 4]), 3);
        assert_eq!((w.space(), r.available()), (0, 10));
        let mut out = [0; 16];
        assert_eq!(r.pop(&mut out), 10);
        assert_eq!(out[..10], [1, 1, 1, 1, 1, 1, 1, 2, 2, 2]);
        assert_eq!(r.pop(&mut out), 0);
    }
}

#[test]
fn the_rings_of_a_pair_never_meet() {
    let [(mut a, mut ar), (mut b, mut br)] =
        ring_pair(Room { capacity: 2000, near: 333 }, Room { capacity: 3000, near: 601 });
    for n in 0..500usize {
        let (x, y) = (vec![n as i16; 1 + n * 7 % 1900], vec![!(n as i16); 1 + n * 5 % 2900]);
        assert_eq!((a.push(&x), b.push(&y)), (x.len(), y.len()));
        let (mut out, mut other) = (vec![0; x.len()], vec![0; y.len()]);
        assert_eq!((ar.pop(&mut out), br.pop(&mut other)), (x.len(), y.len()));
        assert_eq!((out, other), (x, y));
    }
}

#[test]
fn an_emptied_ring_begins_at_its_front_again() {
    let (mut w, mut r) = ring(16_000, 480);
    for n in 0..10_000 {
        w.push(&[n as i16; 160]);
        let mut out = [0; 160];
        assert_eq!(r.pop(&mut out), 160);
        assert_eq!(out, [n as i16; 160]);
        assert_eq!(w.at, 160);
    }
}

#[test]
fn with_a_few_packets_in_it_a_queue_has_no_segments() {
    let (mut w, mut r) = ring(16_000, 480);
    w.push(&[7; 320]);
    for _ in 0..10_000 {
        w.push(&[7; 160]);
        assert_eq!(r.pop(&mut [0; 160]), 160);
    }
    assert_eq!((r.available(), LIVE.get()), (320, 0));
}

#[test]
fn a_queue_has_the_segments_for_what_is_in_it_and_gives_them_back() {
    let (mut w, mut r) = ring(16_000, 480);
    for _ in 0..3 {
        assert_eq!(w.push(&[7; 16_000]), 16_000);
        assert_eq!(LIVE.get(), (16_000usize - 480).div_ceil(SEGMENT));
        // One more is kept until all is read.
        assert_eq!(r.pop(&mut [0; 8000]), 8000);
        assert_eq!(LIVE.get(), (16_000usize - 480).div_ceil(SEGMENT) - (8000 - 480) / SEGMENT + 1);
        assert_eq!(r.skip(usize::MAX), 8000);
        assert_eq!(LIVE.get(), 1);
        w.push(&[1; 160]);
        assert_eq!((r.skip(999), LIVE.get()), (160, 0));
    }
}

#[test]
fn a_reader_that_stays_behind_has_the_same_segments_over_and_over() {
    let (mut w, mut r) = ring(16_000, 480);
    w.push(&[7; 1600]);
    let mut most = 0;
    for _ in 0..10_000 {
        assert_eq!(w.push(&[7; 160]), 160);
        assert_eq!(r.pop(&mut [0; 160]), 160);
        most = most.max(LIVE.get());
    }
    // 1,760 samples lie in the near ring and at most four.
    assert!(most <= 4, "{most}");
    // It catches up, to two packets.
    r.skip(1440);
    for _ in 0..3 {
        w.push(&[7; 160]);
        r.skip(160);
    }
    assert_eq!((LIVE.get(), r.available()), (0, 160));
}

#[test]
fn a_queue_that_always_holds_a_bit_more_than_its_near_ring_has_two_segments() {
    for near in [480, 640] {
        let (mut w, mut r) = ring(16_000, near);
        let (mut next, mut heard, mut out) = (0i16, 0i16, [0; 160]);
        let mut packet = || -> [i16; 160] {
            next = next.wrapping_add(1);
            [next; 160]
        };
        (0..5).for_each(|_| assert!(w.push_all(&packet())));
        for _ in 0..10_000 {
            assert_eq!(r.pop(&mut out), 160);
            heard = heard.wrapping_add(1);
            assert_eq!(out, [heard; 160]);
            assert!(w.push_all(&packet()));
            assert!((1..=2).contains(&LIVE.get()), "{}", LIVE.get());
        }
    }
}

#[test]
fn one_burst_does_not_keep_a_queue_out_of_its_near_ring() {
    // Three packets are always ready, as it was before the burst.
    let (mut w, mut r) = ring(16_000, 640);
    w.push(&[7; 480]);
    for n in 0..120 {
        w.push(&[7; 160]);
        if n < 100 && n % 10 == 5 {
            w.push(&[7; 160]);
            assert_eq!((LIVE.get(), r.skip(160)), (1, 160));
        }
        r.skip(160);
        assert_eq!(r.available(), 480);
    }
    assert_eq!(LIVE.get(), 0);
}

#[test]
fn ends_that_go_in_any_order_and_state_leave_nothing_behind() {
    let mut most = 0;
    for state in 0..64 {
        let (mut w, mut r) = ring(4000, 480);
        for step in 0..4 {
            w.push(&[1; 2000][..500 * (state >> step & 1) + 300 * (step + 1)]);
            r.skip(if state >> 4 & 1 == 1 { 700 } else { 160 });
        }
        most = most.max(LIVE.get());
        if state >> 5 == 0 {
            drop(w);
            r.skip(usize::MAX);
        } else {
            drop(r);
            assert!(w.is_abandoned());
            w.push(&[1; 600]);
        }
    }
    assert!(most > 4 && LIVE.get() == 0, "{most} at most, {} in the end", LIVE.get());
}

/// Both ends at this position.
fn begin_at(w: &mut RingWriter, r: &mut RingReader, position: u32) {
    (w.tail, w.near_from, r.head) = (position, position, position);
    w.end.other().read.store(position, Ordering::Relaxed);
    w.end.own().written.store(u64::from(position), Ordering::Relaxed);
}

#[test]
fn any_pushes_pops_and_skips_are_a_queue_also_past_the_wrap_of_the_positions() {
    for seed in 0..300 {
        let mut rng = SeededRng::new(seed);
        let (capacity, near) = (1 + rng.below(3000) as usize, 1 + rng.below(1000) as usize);
        let (mut w, mut r) = ring(capacity, near);
        begin_at(&mut w, &mut r, u32::MAX - 20_000);
        let (mut model, mut next) = (VecDeque::new(), 0i16);
        for step in 0..500 {
            // At times the reader sleeps, at times it catches up.
            let (most_in, most_out) = if step / 50 % 2 == 0 { (400, 300) } else { (300, 600) };
            let samples: Vec<i16> = (0..rng.below(most_in)).map(|i| next.wrapping_add(i as i16)).collect();
            let all = rng.below(4) == 0;
            let fits = samples.len() <= capacity - model.len();
            let n = match all {
                true if w.push_all(&samples) => samples.len(),
                true => 0,
                false => w.push(&samples),
            };
            assert!(n == samples.len() || !fits, "seed {seed}");
            next = next.wrapping_add(n as i16);
            model.extend(&samples[..n]);
            let mut out = vec![0; rng.below(most_out) as usize];
            let n = r.pop(&mut out);
            assert_eq!(n, out.len().min(model.len()), "seed {seed}");
            let want: Vec<i16> = model.drain(..n).collect();
            assert_eq!(out[..n], want, "seed {seed}");
            let most = [0, 7, 700, usize::MAX][rng.below(20).min(3) as usize % 4];
            let skipped = if rng.below(10) == 0 { r.skip(most) } else { 0 };
            model.drain(..skipped);
            let counts = (r.available(), w.space());
            assert_eq!(counts, (model.len(), w.capacity() - model.len()), "seed {seed}");
            assert!(LIVE.get() <= model.len().div_ceil(SEGMENT) + 3, "seed {seed}");
        }
    }
}
