//! Writing pcapng (draft-ietf-opsawg-pcapng): one section, one interface of whole IP packets, nanoseconds.
//!
//! Each function appends one block. What is handed in is the payload of a UDP datagram; the headers in front of it are
//! made here, with their checksums (RFC 791, RFC 8200, RFC 768, RFC 1071).

use core::net::{IpAddr, SocketAddr};

/// The largest payload that fits behind both headers of an IPv4 packet.
pub const MAX_PAYLOAD: usize = 65_535 - IPV4_HEADER - UDP_HEADER;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// LINKTYPE_RAW: packets begin with the IP header; its version tells IPv4 from IPv6.
const RAW_IP: u16 = 101;

const OPT_END: u16 = 0;
const OPT_COMMENT: u16 = 1;
const SHB_USERAPPL: u16 = 4;
const IF_TSRESOL: u16 = 9;
const NANOSECONDS: u8 = 9;
const EPB_FLAGS: u16 = 2;
const ISB_IFRECV: u16 = 4;
const ISB_IFDROP: u16 = 5;

const IPV4_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const UDP: u8 = 17;
const HOPS: u8 = 64;

/// One UDP datagram.
pub struct Datagram<'a> {
    /// Nanoseconds since 1970.
    pub at: u64,
    pub sent: bool,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub payload: &'a [u8],
    /// Shown beside the packet; empty: none.
    pub comment: &'a str,
}

/// The section header and its interface, with which a file begins.
pub fn begin(out: &mut Vec<u8>, program: &str) {
    block(out, SECTION, |out| {
        put32(out, BYTE_ORDER);
        put16(out, 1);
        put16(out, 0);
        // The section's length isn't known.
        out.extend_from_slice(&u64::MAX.to_le_bytes());
        option(out, SHB_USERAPPL, program.as_bytes());
        option(out, OPT_END, &[]);
    });
    block(out, INTERFACE, |out| {
        put16(out, RAW_IP);
        put16(out, 0);
        // Nothing is cut off.
        put32(out, 0);
        option(out, IF_TSRESOL, &[NANOSECONDS]);
        option(out, OPT_END, &[]);
    });
}

/// False: the payload is too long for a datagram, or the addresses are of two families.
pub fn datagram(out: &mut Vec<u8>, datagram: &Datagram<'_>) -> bool {
    let (from, to) = (datagram.from.ip().to_canonical(), datagram.to.ip().to_canonical());
    if datagram.payload.len() > MAX_PAYLOAD || from.is_ipv4() != to.is_ipv4() {
        return false;
    }
    let udp = udp(from, to, (datagram.from.port(), datagram.to.port()), datagram.payload);
    block(out, PACKET, |out| {
        put32(out, 0);
        put32(out, (datagram.at >> 32) as u32);
        put32(out, datagram.at as u32);
        let length = out.len();
        put32(out, 0);
        put32(out, 0);
        let start = out.len();
        ip_header(out, from, to, udp.len());
        out.extend_from_slice(&udp);
        let bytes = ((out.len() - start) as u32).to_le_bytes();
        // invariant: both lengths were pushed above.
        out[length..length + 4].copy_from_slice(&bytes);
        out[length + 4..length + 8].copy_from_slice(&bytes);
        pad(out);
        let direction = if datagram.sent { 2u32 } else { 1 };
        option(out, EPB_FLAGS, &direction.to_le_bytes());
        if !datagram.comment.is_empty() {
            option(out, OPT_COMMENT, datagram.comment.as_bytes());
        }
        option(out, OPT_END, &[]);
    });
    true
}

/// The last block: how many packets there were in all, and how many of them are not in the file.
pub fn end(out: &mut Vec<u8>, at: u64, seen: u64, dropped: u64) {
    block(out, STATISTICS, |out| {
        put32(out, 0);
        put32(out, (at >> 32) as u32);
        put32(out, at as u32);
        option(out, ISB_IFRECV, &seen.to_le_bytes());
        option(out, ISB_IFDROP, &dropped.to_le_bytes());
        option(out, OPT_END, &[]);
    });
}

/// Type, length, body, the length again.
fn block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    put32(out, kind);
    put32(out, 0);
    body(out);
    let total = ((out.len() - start + 4) as u32).to_le_bytes();
    // invariant: the place of the first length was pushed above.
    out[start + 4..start + 8].copy_from_slice(&total);
    out.extend_from_slice(&total);
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    // invariant: a comment is a sentence, all others are a few bytes.
    let value = &value[..value.len().min(1024)];
    put16(out, code);
    put16(out, value.len() as u16);
    out.extend_from_slice(value);
    pad(out);
}

/// Bodies and blocks begin at multiples of four.
fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}
fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn ip_header(out: &mut Vec<u8>, from: IpAddr, to: IpAddr, payload: usize) {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = [0; IPV4_HEADER];
            header[0] = 0x45;
            header[2..4].copy_from_slice(&((IPV4_HEADER + payload) as u16).to_be_bytes());
            // Don't fragment: what is here was whole.
            header[6] = 0x40;
            header[8] = HOPS;
            header[9] = UDP;
            header[12..16].copy_from_slice(&from.octets());
            header[16..20].copy_from_slice(&to.octets());
            let sum = checksum(0, &header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            out.extend_from_slice(&header);
        }
        (from, to) => {
            out.extend_from_slice(&[0x60, 0, 0, 0]);
            out.extend_from_slice(&(payload as u16).to_be_bytes());
            out.extend_from_slice(&[UDP, HOPS]);
            out.extend_from_slice(&v6(from));
            out.extend_from_slice(&v6(to));
        }
    }
}

fn v6(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// Header and payload, with the checksum over them and the pseudo header.
fn udp(from: IpAddr, to: IpAddr, (source, destination): (u16, u16), payload: &[u8]) -> Vec<u8> {
    let length = (UDP_HEADER + payload.len()) as u16;
    let mut bytes = Vec::with_capacity(usize::from(length));
    for field in [source, destination, length, 0] {
        bytes.extend_from_slice(&field.to_be_bytes());
    }
    bytes.extend_from_slice(payload);
    let addresses = [from, to].map(|ip| match ip {
        IpAddr::V4(ip) => add(0, &ip.octets()),
        IpAddr::V6(ip) => add(0, &ip.octets()),
    });
    let pseudo = addresses[0] + addresses[1] + u64::from(UDP) + u64::from(length);
    let sum = match checksum(pseudo, &bytes) {
        // RFC 768: zero would say that there is none.
        0 => 0xffff,
        sum => sum,
    };
    // invariant: the header was pushed above.
    bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// RFC 1071.
fn checksum(so_far: u64, bytes: &[u8]) -> u16 {
    let mut sum = add(so_far, bytes);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn add(sum: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(2).fold(sum, |sum, pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        sum + (u64::from(pair[0]) << 8 | u64::from(low))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn u16_at(bytes: &[u8], at: usize) -> u16 {
        u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
    }
    fn u32_at(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    /// (type, body) of all blocks; both lengths have to agree and be multiples of four.
    fn blocks(mut file: &[u8]) -> Vec<(u32, &[u8])> {
        let mut found = Vec::new();
        while !file.is_empty() {
            let total = u32_at(file, 4) as usize;
            assert_eq!((total % 4, u32_at(file, total - 4) as usize), (0, total));
            found.push((u32_at(file, 0), &file[8..total - 4]));
            file = &file[total..];
        }
        found
    }

    fn options(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
        let mut found = Vec::new();
        loop {
            let (code, len) = (u16_at(bytes, 0), usize::from(u16_at(bytes, 2)));
            if code == 0 {
                assert_eq!((len, bytes.len()), (0, 4), "the end of the options is the end of the block");
                return found;
            }
            found.push((code, &bytes[4..4 + len]));
            bytes = &bytes[(4 + len).next_multiple_of(4)..];
        }
    }

    /// What a receiver does: the sum over everything, the checksum included, is all ones.
    fn sums_up(pseudo: &[&[u8]], bytes: &[u8]) -> bool {
        let words = |bytes: &[u8]| -> u32 {
            let mut padded = bytes.to_vec();
            padded.resize(padded.len().next_multiple_of(2), 0);
            padded.chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum()
        };
        let mut sum: u32 = pseudo.iter().map(|part| words(part)).sum::<u32>() + words(bytes);
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum == 0xffff
    }

    fn one(from: &str, to: &str, payload: &[u8], comment: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
        let at = 0x0123_4567_89ab_cdef;
        assert!(datagram(&mut out, &Datagram { at, sent: true, from, to, payload, comment }));
        out
    }

    #[test]
    fn a_file_begins_with_a_section_and_an_interface_of_raw_ip_in_nanoseconds() {
        let mut out = Vec::new();
        begin(&mut out, "libvoip");
        let blocks = blocks(&out);
        let [(SECTION, section), (INTERFACE, interface)] = blocks[..] else { panic!("{blocks:?}") };
        assert_eq!(u32_at(section, 0), 0x1a2b_3c4d);
        assert_eq!((u16_at(section, 4), u16_at(section, 6)), (1, 0));
        assert_eq!(section[8..16], [255; 8]);
        assert_eq!(options(&section[16..]), [(4, &b"libvoip"[..])]);
        assert_eq!((u16_at(interface, 0), u32_at(interface, 4)), (101, 0));
        assert_eq!(options(&interface[8..]), [(9, &[9u8][..])]);
    }

    #[test]
    fn packets_of_all_lengths_carry_right_headers_and_sums_in_both_families() {
        for len in 0..64u8 {
            let payload: Vec<u8> = (0..len).map(|n| n.wrapping_mul(37) ^ 0xa5).collect();
            let file = one("192.0.2.1:5060", "198.51.100.7:30000", &payload, "");
            let (PACKET, body) = blocks(&file)[0] else { panic!("no packet") };
            assert_eq!((u32_at(body, 0), u32_at(body, 4), u32_at(body, 8)), (0, 0x0123_4567, 0x89ab_cdef));
            let size = 28 + payload.len();
            assert_eq!((u32_at(body, 12) as usize, u32_at(body, 16) as usize), (size, size));
            let packet = &body[20..20 + size];
            assert_eq!((packet[0], packet[9]), (0x45, 17));
            assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), size);
            assert!(sums_up(&[], &packet[..20]));
            assert_eq!(packet[12..20], [192, 0, 2, 1, 198, 51, 100, 7]);
            assert_eq!(packet[20..24], [0x13, 0xc4, 0x75, 0x30]);
            assert_eq!(packet[28..], payload);
            assert!(sums_up(&[&packet[12..20], &[0, 17], &packet[24..26]], &packet[20..]));
            assert_eq!(options(&body[(20 + size).next_multiple_of(4)..]), [(2, &[2u8, 0, 0, 0][..])]);

            let file = one("[2001:db8::1]:5060", "[2001:db8::2]:30000", &payload, "said before");
            let (PACKET, body) = blocks(&file)[0] else { panic!("no packet") };
            let size = 48 + payload.len();
            let packet = &body[20..20 + size];
            assert_eq!((packet[0], packet[6]), (0x60, 17));
            assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), 8 + payload.len());
            assert!(sums_up(&[&packet[8..40], &[0, 17], &packet[44..46]], &packet[40..]));
            let found = options(&body[(20 + size).next_multiple_of(4)..]);
            assert_eq!(found[1], (1, &b"said before"[..]));
        }
    }

    #[test]
    fn a_sum_of_zero_is_written_as_ones() {
        // Found by trying: two bytes that make the sum of everything else all ones.
        let zero = (0..=u16::MAX).find(|n| {
            let file = one("10.0.0.1:1", "10.0.0.2:2", &n.to_be_bytes(), "");
            let (_, body) = blocks(&file)[0];
            body[20 + 26..20 + 28] == [255, 255]
        });
        assert!(zero.is_some());
    }

    #[test]
    fn what_does_not_fit_is_refused_and_leaves_nothing() {
        let mut out = Vec::new();
        let (v4, v6) = ("10.0.0.1:1".parse().unwrap(), "[::1]:1".parse().unwrap());
        let long = vec![0; MAX_PAYLOAD + 1];
        let refused = [(v4, v4, &long[..]), (v4, v6, &[][..])];
        for (from, to, payload) in refused {
            assert!(!datagram(&mut out, &Datagram { at: 0, sent: false, from, to, payload, comment: "" }));
        }
        assert!(out.is_empty());
        let payload = &long[1..];
        assert!(datagram(&mut out, &Datagram { at: 0, sent: false, from: v4, to: v4, payload, comment: "" }));
        assert_eq!(blocks(&out).len(), 1);
    }

    #[test]
    fn the_end_counts_what_came_and_what_was_lost() {
        let mut out = Vec::new();
        end(&mut out, 5, 100, 3);
        let (STATISTICS, body) = blocks(&out)[0] else { panic!("no statistics") };
        assert_eq!((u32_at(body, 4), u32_at(body, 8)), (0, 5));
        assert_eq!(options(&body[12..]), [(4, &100u64.to_le_bytes()[..]), (5, &3u64.to_le_bytes()[..])]);
    }
}
