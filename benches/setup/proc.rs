//! What the kernel says about a process: CPU time, memory, threads.

use std::collections::BTreeMap;
use std::fs;

/// The calling thread, and all that it starts, stays on this core if there is one.
pub fn pin(core: usize) {
    // SAFETY: the set is plain data; a failure leaves everything as it was.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core % std::thread::available_parallelism().map_or(1, usize::from), &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

/// CPU time of this process in microseconds: user, system.
pub fn cpu_us() -> (f64, f64) {
    // SAFETY: the call fills the struct.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let us = |t: libc::timeval| t.tv_sec as f64 * 1e6 + t.tv_usec as f64;
    (us(usage.ru_utime), us(usage.ru_stime))
}

/// CPU time of each thread by its name, in microseconds.
pub fn threads_us() -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let ns = read("schedstat").split(' ').next().and_then(|t| t.parse::<f64>().ok());
        *found.entry(read("comm").trim().to_owned()).or_insert(0.0) += ns.unwrap_or(0.0) / 1000.0;
    }
    found
}

/// Resident memory of this process in KiB.
pub fn resident_kib() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with("Rss:"));
    line.and_then(|l| l.split_ascii_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// Private memory of this process in KiB: what it alone makes the machine hold.
pub fn private_kib() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let own = text.lines().filter(|l| l.starts_with("Private_"));
    own.filter_map(|l| l.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}
