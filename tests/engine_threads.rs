//! The number of threads does not depend on the number of calls. Alone in its process, so that it can count.

mod engine_support;

use engine_support::*;
use voip::engine::PhoneConfig;

fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |t: std::fs::DirEntry| std::fs::read_to_string(t.path().join("comm")).unwrap_or_default();
    let mut names: Vec<String> = tasks.flatten().map(name).filter(|n| n.starts_with("voip-")).collect();
    names.sort();
    names
}

#[test]
fn fifty_calls_need_no_more_threads_than_one() {
    let more = || PhoneConfig { media_threads: 2, ..config() };
    let (a, b) = (Party::start(more()), Party::listening(more()));
    let mut calls = vec![answered(&a, &b)];
    // Two phones: control, dispatcher and two media threads each. One that has not run yet has no name yet.
    let end = std::time::Instant::now() + PATIENCE;
    while threads().len() < 8 && std::time::Instant::now() < end {
        std::thread::yield_now();
    }
    let one = threads();
    assert_eq!(one.len(), 8, "{one:?}");
    for _ in 1..50 {
        calls.push(answered(&a, &b));
    }
    assert_eq!(threads(), one);
    a.phone.shutdown().unwrap();
    b.phone.shutdown().unwrap();
    assert!(threads().is_empty(), "{:?}", threads());
}
