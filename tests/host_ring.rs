//! The rings between a session and its host, with a thread at either end.

use voip::media::host_ring::host_rings;
use voip::media::ring::{ring_pair, RingReader, RingWriter, Room};
use voip::util::{Rng, SeededRng};

/// Every sample that goes in comes out once and in order, however the two ends run against each other.
#[test]
fn two_threads_pass_all_samples_through_the_ring_in_order() {
    for (capacity, total) in [(1, 5_000u32), (7, 50_000), (160, 500_000), (1600, 1_000_000)] {
        let (mut session, mut host) = host_rings(8000, capacity, capacity);
        let writer = std::thread::spawn(move || {
            let (mut next, mut chunk) = (0u32, 1usize);
            while next < total {
                chunk = chunk * 7 % 397 + 1;
                let samples: Vec<i16> = (next..total).take(chunk).map(|n| n as i16).collect();
                let n = host.writer.write(&samples);
                next += n as u32;
                if n == 0 {
                    std::thread::yield_now();
                }
            }
            host
        });
        let (mut expected, mut out) = (0u32, [0i16; 250]);
        while expected < total {
            let n = session.take(&mut out);
            for &sample in &out[..n] {
                assert_eq!(sample, expected as i16, "capacity {capacity}");
                expected += 1;
            }
            if n == 0 {
                std::thread::yield_now();
            }
        }
        let host = writer.join().expect("the writer's thread");
        assert_eq!(host.writer.pending(), 0);
    }
}

/// Bursts of any length through a near ring and segments; the reader sees all of them before it sees the end.
#[test]
fn bursts_pass_a_ring_in_order_and_its_end_comes_last() {
    let [(mut w, mut r), (_other, other)] =
        ring_pair(Room { capacity: 3000, near: 333 }, Room { capacity: 7, near: 7 });
    let writer = std::thread::spawn(move || {
        let _same_side = other;
        let (mut rng, mut next) = (SeededRng::new(3), 0i16);
        for _ in 0..20_000 {
            let samples: Vec<i16> = (0..rng.below(500)).map(|i| next.wrapping_add(i as i16)).collect();
            next = next.wrapping_add(w.push(&samples) as i16);
        }
        next
    });
    let (mut rng, mut next, mut out) = (SeededRng::new(4), 0i16, [0; 600]);
    loop {
        let over = r.is_abandoned();
        let most = rng.below(600) as usize;
        let n = r.pop(&mut out[..most]);
        for sample in &out[..n] {
            assert_eq!(*sample, next);
            next = next.wrapping_add(1);
        }
        if over && r.available() == 0 {
            break;
        }
    }
    assert_eq!(writer.join().expect("the writer ends"), next);
}

/// Both queues of a pair at once, with readers that fall behind and catch up, so that segments come and go.
#[test]
fn two_threads_that_talk_to_each_other_lose_nothing_whoever_is_slow() {
    for (seed, capacity, near) in [(1, 700, 1), (2, 1600, 480), (3, 1030, 3), (4, 16_000, 480)] {
        let room = Room { capacity, near };
        let [(a, ar), (b, br)] = ring_pair(room, Room { near: 2 * near, ..room });
        let other = std::thread::spawn(move || talk(SeededRng::new(seed), a, br));
        let (said, heard) = talk(SeededRng::new(seed + 9), b, ar);
        assert_eq!(other.join().expect("the other thread"), (heard, said), "seed {seed}");
    }
}

/// How many samples were written and read, until both have written 300,000.
fn talk(mut rng: SeededRng, mut w: RingWriter, mut r: RingReader) -> (u32, u32) {
    let (total, mut said, mut heard, mut out) = (300_000u32, 0u32, 0u32, [0; 600]);
    while said < total || heard < total {
        let most = if said / 10_000 % 2 == 0 { 500 } else { 60 };
        let samples: Vec<i16> = (said..total).take(rng.below(most) as usize).map(|n| n as i16).collect();
        said += w.push(&samples) as u32;
        if rng.below(50) == 0 {
            heard += r.skip(rng.below(2000) as usize) as u32;
        }
        let most = rng.below(600) as usize;
        let n = r.pop(&mut out[..most]);
        for sample in &out[..n] {
            assert_eq!(*sample, heard as i16);
            heard += 1;
        }
        if rng.below(20) == 0 {
            std::thread::yield_now();
        }
    }
    (said, heard)
}
