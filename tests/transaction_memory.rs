//! What a finished transaction costs while its timer keeps it: counted by the allocator, at most 3 KiB.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};
use voip::proto::sip::transaction::{Effect, Layer, Timers};
use voip::proto::sip::{Message, Peer, ResponseBuilder};
use voip::util::Time;

struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; only a number is kept beside.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        System.alloc(layout)
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        System.dealloc(at, layout);
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const COUNT: usize = 2000;
const LIMIT: isize = 3 * 1024;

fn peer() -> Peer {
    Peer::udp("192.0.2.7:5060".parse().expect("an address"))
}

/// About 1,000 bytes, as an INVITE with SDP has.
fn text(first: &str, method: &str, n: usize) -> String {
    let body = "a=sendrecv\r\n".repeat(40);
    format!(
        "{first}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-memory-{n};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@example.org>;tag=alice-{n}\r\nTo: <sip:bob@example.org>\r\nCall-ID: call-{n}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:alice@192.0.2.1:5060>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn as_client(layer: &mut Layer, method: &str, status: u16, n: usize) {
    let mut out = Vec::new();
    let request = text(&format!("{method} sip:bob@192.0.2.7 SIP/2.0"), method, n);
    layer.send_request(Time::ZERO, peer(), request.into_bytes(), &mut out).expect("there is room");
    let response = text(&format!("SIP/2.0 {status} Text"), method, n);
    let response = Message::parse(response.as_bytes()).expect("it parses");
    layer.receive(Time::ZERO, peer(), response, &mut out);
}

fn as_server(layer: &mut Layer, method: &str, status: u16, n: usize) {
    let mut out = Vec::new();
    let request = text(&format!("{method} sip:bob@192.0.2.7 SIP/2.0"), method, n);
    let request = Message::parse(request.as_bytes()).expect("it parses");
    let response = ResponseBuilder::new(&request, status, None, peer().address).to_tag("t");
    let response = response.build().expect("nothing forbidden in it");
    layer.receive(Time::ZERO, peer(), request, &mut out);
    let key = out.iter().find_map(|e| match e {
        Effect::Request { key, .. } => Some(*key),
        _ => None,
    });
    assert!(layer.respond(Time::ZERO, key.expect("it came up"), status, response, &mut out));
}

#[test]
fn a_finished_transaction_costs_at_most_3_kib_and_nothing_in_the_end() {
    type Run = fn(&mut Layer, &str, u16, usize);
    let runs: [(&str, Run, &str, u16); 6] = [
        ("client INVITE 486", as_client, "INVITE", 486),
        ("client INVITE 200", as_client, "INVITE", 200),
        ("client BYE 200", as_client, "BYE", 200),
        ("server INVITE 486", as_server, "INVITE", 486),
        ("server INVITE 200", as_server, "INVITE", 200),
        ("server BYE 200", as_server, "BYE", 200),
    ];
    for (name, run, method, status) in runs {
        let mut layer = Layer::new(Timers::default(), COUNT);
        let before = LIVE.load(Ordering::Relaxed);
        for n in 0..COUNT {
            run(&mut layer, method, status, n);
        }
        assert_eq!(layer.client_count() + layer.server_count(), COUNT);
        let each = (LIVE.load(Ordering::Relaxed) - before) / COUNT as isize;
        println!("{name}: {each} bytes");
        assert!(each <= LIMIT, "{name}: {each} bytes");
        let mut at = Time::ZERO;
        while let Some((next, _)) = layer.next_deadline() {
            at = at.max(next);
            layer.handle_timeout(at, &mut Vec::new());
        }
        assert_eq!(layer.client_count() + layer.server_count(), 0);
        let left = (LIVE.load(Ordering::Relaxed) - before) / COUNT as isize;
        assert!(left < 600, "{name}: {left} bytes of empty tables for each");
    }
}
