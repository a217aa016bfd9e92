//! How fast an RTP packet is parsed and built, against the crate `rtp-types` in the same run, and that neither of ours
//! allocates. Time is the thread's own; `LIBVOIP_BENCH_RUNS` sets how many runs the medians are of.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use voip::proto::rtp::{RtpBuilder, RtpHeader, RtpPacket};

const BATCH: usize = 20_000;
const PAYLOAD: [u8; 160] = [0x55; 160];

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|c| c.set(c.get() + 1));
        System.alloc(layout)
    }
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        System.dealloc(p, layout);
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let runs = std::env::var("LIBVOIP_BENCH_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(31);
    let plain = packet(&[], None);
    let full = packet(&[1, 2], Some((0xbede, &[0x10, 0xaa, 0x21, 7, 8, 0, 0, 0])));
    assert!(theirs_parse(&plain) == ours_parse(&plain) && theirs_parse(&full) == ours_parse(&full));
    let (mut a, mut b) = ([0; 256], [0; 256]);
    assert!(ours_build(&mut a) == theirs_build(&mut b) && a == b, "both build the same packet");
    println!("RTP packets of 160 bytes of payload a second on one core, median of {runs} runs");
    println!("{:30} {:>12} {:>12} {:>7} {:>12}", "work", "libvoip", "rtp-types", "ratio", "allocations");
    row("parse", runs, || ours_parse(&plain), || theirs_parse(&plain));
    row("parse, extension and CSRCs", runs, || ours_parse(&full), || theirs_parse(&full));
    row("build", runs, || ours_build(&mut a), || theirs_build(&mut b));
}

fn row<T>(what: &str, runs: usize, mut ours: impl FnMut() -> T, mut theirs: impl FnMut() -> T) {
    let before = ALLOCATIONS.with(Cell::get);
    black_box(ours());
    let allocations = ALLOCATIONS.with(Cell::get) - before;
    // One after the other, so that what disturbs one disturbs the other too.
    let (mut mine, mut other) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        mine.push(figure(&mut ours));
        other.push(figure(&mut theirs));
    }
    let (mine, other) = (median(mine), median(other));
    println!("{what:30} {:12.0} {:12.0} {:7.2} {allocations:12}", 1e9 / mine, 1e9 / other, other / mine);
    assert!(allocations == 0, "{what} allocates");
}

fn packet(csrcs: &[u32], extension: Option<(u16, &[u8])>) -> Vec<u8> {
    let builder = RtpBuilder { csrcs, extension, ..RtpBuilder::new(header(), &PAYLOAD) };
    let mut out = vec![0; builder.len()];
    builder.write(&mut out).expect("room");
    out
}

fn header() -> RtpHeader {
    RtpHeader { payload_type: 8, marker: true, sequence: 7, timestamp: 1120, ssrc: 0x1122_3344 }
}

/// Everything that a receiver looks at.
type Seen = (u8, bool, u16, u32, u32, usize, u8);

fn ours_parse(bytes: &[u8]) -> Seen {
    let p = RtpPacket::parse(black_box(bytes)).expect("a packet");
    let payload = p.payload();
    (
        p.payload_type(),
        p.marker(),
        p.sequence().0,
        p.timestamp().0,
        p.ssrc(),
        payload.len(),
        payload.first().copied().unwrap_or(0),
    )
}

fn theirs_parse(bytes: &[u8]) -> Seen {
    let p = rtp_types::RtpPacket::parse(black_box(bytes)).expect("a packet");
    let payload = p.payload();
    (
        p.payload_type(),
        p.marker_bit(),
        p.sequence_number(),
        p.timestamp(),
        p.ssrc(),
        payload.len(),
        payload.first().copied().unwrap_or(0),
    )
}

fn ours_build(out: &mut [u8]) -> usize {
    RtpBuilder::new(black_box(header()), black_box(&PAYLOAD)).write(out).expect("room")
}

fn theirs_build(out: &mut [u8]) -> usize {
    let h = black_box(header());
    let builder = rtp_types::RtpPacketBuilder::<_, &[u8]>::new()
        .payload_type(h.payload_type)
        .marker_bit(h.marker)
        .sequence_number(h.sequence)
        .timestamp(h.timestamp)
        .ssrc(h.ssrc)
        .payload(black_box(&PAYLOAD[..]));
    builder.write_into(out).expect("room")
}

fn figure<T>(work: &mut impl FnMut() -> T) -> f64 {
    let start = thread_time();
    for _ in 0..BATCH {
        black_box(work());
    }
    (thread_time() - start) / BATCH as f64
}

fn thread_time() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the struct is writable.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
