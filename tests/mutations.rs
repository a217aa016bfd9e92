//! Seeded mutations against what has a life: a whole agent with calls and a registration, a media session in the
//! middle of a stream, and the RTP parser. The stable toolchain's share of the fuzz targets of the same names; the
//! parsers alone are in `sip_corpus.rs` and `wire_mutations.rs`.
//!
//! `LIBVOIP_MUTATIONS` sets how many worlds or packets of each, `LIBVOIP_SEED` where they begin.

mod agents;
#[path = "drivers/bytes.rs"]
mod bytes;
#[path = "drivers/agent.rs"]
mod drive_agent;
#[path = "drivers/rtp.rs"]
mod drive_rtp;
#[path = "drivers/rtp_mux.rs"]
mod drive_rtp_mux;
#[path = "drivers/session.rs"]
mod drive_session;
#[path = "drivers/stream.rs"]
mod drive_stream;
#[path = "support/pcap.rs"]
mod pcap;
mod support;

use voip::util::{Duration, Rng, SeededRng};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Runs `check` with a generator for each seed; a panic names its seed.
fn run(name: &str, default: u64, mut check: impl FnMut(&mut SeededRng)) {
    let (count, first) =
        (number("LIBVOIP_MUTATIONS").unwrap_or(default), number("LIBVOIP_SEED").unwrap_or(1));
    for seed in first..first + count {
        let mut rng = SeededRng::new(seed);
        let check = std::panic::AssertUnwindSafe(|| check(&mut rng));
        if std::panic::catch_unwind(check).is_err() {
            panic!("{name}: LIBVOIP_SEED={seed} LIBVOIP_MUTATIONS=1");
        }
    }
    println!("{name}: {count} seeds from {first}");
}

fn pick<'a, T>(rng: &mut SeededRng, of: &'a [T]) -> &'a T {
    &of[rng.below(of.len() as u64) as usize]
}

/// Changes up to `most` places.
fn mutate(rng: &mut SeededRng, bytes: &mut Vec<u8>, spice: &[&[u8]], most: u64) {
    for _ in 0..rng.below(most + 1) {
        let at = rng.below(bytes.len() as u64 + 1) as usize;
        match rng.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.get_mut(at).into_iter().for_each(|b| *b = rng.next_u32() as u8),
            2 => bytes.get_mut(at).into_iter().for_each(|b| *b ^= 1 << rng.below(8)),
            3 => {
                let end = bytes.len().min(at + 1 + rng.below(20) as usize);
                bytes.drain(at.min(end)..end);
            }
            4 => {
                let end = bytes.len().min(at + rng.below(60) as usize);
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => drop(bytes.splice(at..at, pick(rng, spice).iter().copied())),
        }
    }
    bytes.truncate(4000);
}

fn messages() -> Vec<Vec<u8>> {
    let mut folders = vec![support::data("rfc4475"), support::data("rfc5118")];
    if let Some(vectors) = support::vectors() {
        let more = ["rfc_flows", "realworld", "repo_messages", "fuzz"];
        folders.extend(more.map(|family| vectors.join("01_sip").join(family)));
    }
    let read = |folder: &std::path::PathBuf| -> Vec<Vec<u8>> {
        support::cases(folder).iter().map(|case| case.file(folder)).collect()
    };
    folders.iter().flat_map(read).collect()
}

const SIP_SPICE: [&[u8]; 18] = [
    b"\r\n",
    b"\r\n\r\n",
    b"\"",
    b"<",
    b">",
    b";",
    b",",
    b"%00",
    b"\0",
    b"\xff\xfe",
    b"99999999999999999999",
    b"-1",
    b";tag=",
    b";lr",
    b"Route: <sip:192.0.2.50;lr>\r\n",
    b"Expires: 0\r\n",
    b"Require: 100rel\r\n",
    b"Content-Length: 7\r\n",
];

#[test]
fn no_mutation_makes_an_agent_with_live_calls_break_its_contract() {
    let corpus = messages();
    let (mut datagrams, mut unparsable) = (0, 0);
    run("agent", 1000, |rng| {
        let mut world = drive_agent::World::alive(rng.next_u64());
        for _ in 0..60 {
            agent_step(rng, &mut world, &corpus);
        }
        let stats = world.finish();
        datagrams += stats.datagrams;
        unparsable += stats.unparsable;
    });
    println!("agent: {datagrams} datagrams, {unparsable} of them invalid; {} messages", corpus.len());
    // Both roads were taken: what is refused at once, and what goes on into transactions and calls.
    assert!(unparsable > 0 && unparsable < datagrams);
}

fn agent_step(rng: &mut SeededRng, world: &mut drive_agent::World, corpus: &[Vec<u8>]) {
    let (a, b) = (rng.next_u32() as u8, rng.next_u32() as u8);
    let message = match rng.below(20) {
        0..=3 => Some(pick(rng, corpus).clone()),
        4..=7 => Some(world.live_request(a)),
        8..=10 => world.live_response(a, b),
        11 => world.echo(a),
        12 => Some((0..rng.below(300)).map(|_| rng.next_u32() as u8).collect()),
        13..=14 => {
            world.some_command(a, b);
            None
        }
        15 => {
            world.pass(Duration::from_millis(rng.below(40_000)));
            None
        }
        16 => {
            world.pass_to_next();
            None
        }
        17 => {
            world.open_streams(a % 8 != 0);
            None
        }
        18 => {
            world.resolve(a % 4 != 0);
            None
        }
        _ => {
            if a % 2 == 0 {
                world.fail_transmission()
            } else {
                world.media_timeout(b)
            };
            None
        }
    };
    let Some(mut message) = message else { return };
    mutate(rng, &mut message, &SIP_SPICE, 3);
    match rng.below(8) {
        0 => world.datagram_from_a_stranger(&message),
        _ => world.datagram(&message),
    }
}

/// RTP out of captures, and of our own making.
fn packets() -> Vec<Vec<u8>> {
    let mut world = drive_session::World::new(1, 0);
    let mut packets: Vec<Vec<u8>> = (0..20u8)
        .map(|n| {
            world.header.payload_type = if n % 5 == 4 { 101 } else { 8 * (n % 2) };
            world.next_packet(&[n; 160][..if n % 5 == 4 { 4 } else { 160 }])
        })
        .collect();
    // CSRC, extension of one-byte elements, padding.
    packets.push(
        [
            &b"\xb1\x00\x00\x01\0\0\0\xa0\0\0\0\x07\0\0\0\x09\xbe\xde\0\x01\x10\xff\0\0"[..],
            &[7; 160],
            &[0, 0, 0, 4],
        ]
        .concat(),
    );
    let Some(vectors) = support::vectors() else { return packets };
    let folder = vectors.join("04_rtp/pcap");
    for case in support::cases(&folder) {
        let mut payloads = pcap::udp_payloads(&case.file(&folder));
        payloads.truncate(200);
        packets.append(&mut payloads);
    }
    packets.retain(|p| p.len() <= 1500);
    packets
}

const RTP_SPICE: [&[u8]; 6] =
    [b"\xbe\xde\0\x01", b"\x10\0\0\x01", b"\x01\x8a\x03\x20", b"\xff", b"\0\0\0\0", b"\x80\x65"];

#[test]
fn no_mutation_of_a_packet_is_read_beyond_its_end_or_written_back_otherwise() {
    let corpus = packets();
    let mut taken = 0u64;
    run("rtp", 400_000, |rng| {
        let mut packet = pick(rng, &corpus).clone();
        mutate(rng, &mut packet, &RTP_SPICE, 4);
        taken += u64::from(drive_rtp::run(&packet));
    });
    println!("rtp: {taken} taken; {} packets", corpus.len());
    assert!(taken > 0);
}

#[test]
fn no_mutation_makes_a_session_lose_count_stand_still_or_grow() {
    let corpus = packets();
    let (mut heard, mut discarded) = (0, 0);
    run("session", 25, |rng| {
        let mut world = drive_session::World::new(rng.next_u64(), rng.next_u32() as u8);
        world.configure(&drive_session::params(rng.below(2) as u8 * rng.next_u32() as u8, 20));
        for _ in 0..250 {
            session_step(rng, &mut world, &corpus);
        }
        heard += world.heard;
        discarded += world.finish().rx_discarded;
    });
    println!("session: {heard} frames heard, {discarded} datagrams discarded; {} packets", corpus.len());
    assert!(heard > 0 && discarded > 0);
}

fn session_step(rng: &mut SeededRng, world: &mut drive_session::World, corpus: &[Vec<u8>]) {
    let (a, b) = (rng.next_u32() as u8, rng.next_u32() as u8);
    match rng.below(32) {
        0..=5 => {
            let mut packet = pick(rng, corpus).clone();
            // Into the stream that is there, or as it is.
            if rng.below(2) == 0 && packet.len() >= 12 {
                let live = world.next_packet(&[]);
                packet[..12].copy_from_slice(&live[..12]);
            }
            mutate(rng, &mut packet, &RTP_SPICE, 3);
            let from = if a % 4 == 0 {
                "198.51.100.1:9".parse().expect("an address")
            } else {
                drive_session::peer()
            };
            world.datagram(from, &packet);
        }
        6..=20 => {
            world.header.payload_type = *pick(rng, &[0, 0, 0, 8, 101, 9, 5, 11, 13]);
            let payload: Vec<u8> = (0..160).map(|_| rng.next_u32() as u8).collect();
            let packet = world.next_packet(&payload);
            world.datagram(drive_session::peer(), &packet);
            world.pass(Duration::from_millis(20));
            world.host_reads();
            world.host_writes(160);
        }
        21 => world.header.sequence = world.header.sequence.wrapping_add(u16::from(a) * 64),
        22 => world.header.timestamp = world.header.timestamp.wrapping_add(u32::from(b) << 18),
        23 => world.header.ssrc ^= u32::from(a % 2),
        24 => world.oversleep(Duration::from_millis(u64::from(a) * 2)),
        25..=26 => world.pass(Duration::from_millis(u64::from(a))),
        27 => world.configure(&drive_session::params(a, 10 + u32::from(b % 60))),
        _ => world.some_command(a, b),
    }
}

#[test]
fn the_fuzz_targets_take_any_bytes() {
    run("bytes", 300, |rng| {
        let bytes: Vec<u8> = (0..rng.below(3000)).map(|_| rng.next_u32() as u8).collect();
        drive_agent::run(&bytes);
        drive_session::run(&bytes);
        drive_rtp::run(&bytes);
        drive_stream::run(&bytes);
    });
}

#[test]
fn streams_of_messages_are_cut_the_same_wherever_they_come_apart() {
    let corpus = messages();
    const SPICE: [&[u8]; 7] =
        [b"\r\n", b"\r\n\r\n", b"\n", b"Content-Length: 9\r\n", b"l:0\r\n", b"l: 7\r\n 7", b"\r"];
    run("streams", 400, |rng| {
        let mut bytes = vec![rng.next_u32() as u8, rng.next_u32() as u8];
        for _ in 0..rng.below(6) {
            bytes.extend_from_slice(pick::<Vec<u8>>(rng, &corpus));
        }
        mutate(rng, &mut bytes, &SPICE, 4);
        drive_stream::run(&bytes);
    });
}

#[test]
fn any_bytes_leave_a_mux_of_streams_within_its_bounds() {
    run("mux", 300, |rng| {
        let bytes: Vec<u8> = (0..rng.below(2000)).map(|_| rng.next_u32() as u8).collect();
        drive_rtp_mux::run(&bytes);
    });
}
