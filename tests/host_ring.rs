//! The rings between a session and its host, with a thread at either end.

use voip::media::host_ring::host_rings;

/// Every sample that goes in comes out once and in order, however the two ends run against each other.
#[test]
fn two_threads_pass_all_samples_through_the_ring_in_order() {
    for (capacity, total) in [(1, 5_000u32), (7, 50_000), (160, 500_000), (1600, 1_000_000)] {
        let (mut session, mut host) = host_rings(capacity, capacity);
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
