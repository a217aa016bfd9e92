//! UDP payloads out of captures: pcap and pcapng; Ethernet, raw IP, loopback and Linux cooked frames.
//! Malformed captures end early. Fragments are left out.
#![allow(dead_code)]

/// The UDP payloads of a capture in its order.
pub fn udp_payloads(file: &[u8]) -> Vec<Vec<u8>> {
    let frames = match file.get(..4) {
        Some([0x0a, 0x0d, 0x0d, 0x0a]) => pcapng_frames(file),
        _ => pcap_frames(file),
    };
    frames.iter().filter_map(|(link, frame)| udp(ip_packet(*link, frame)?)).map(<[u8]>::to_vec).collect()
}

fn number(bytes: &[u8], at: usize, length: usize, big: bool) -> Option<usize> {
    let bytes = bytes.get(at..at + length)?;
    let join = |n: usize, b: &u8| n << 8 | usize::from(*b);
    Some(if big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) })
}

type Frames<'a> = Vec<(usize, &'a [u8])>;

fn pcap_frames(file: &[u8]) -> Frames<'_> {
    let mut frames = Vec::new();
    let big = matches!(file.get(..4), Some([0xa1, 0xb2, _, _]));
    let Some(link) = number(file, 20, 4, big) else { return frames };
    let mut at = 24;
    while let Some(length) = number(file, at + 8, 4, big) {
        let Some(frame) = file.get(at + 16..at + 16 + length) else { break };
        frames.push((link & 0xffff, frame));
        at += 16 + length;
    }
    frames
}

fn pcapng_frames(file: &[u8]) -> Frames<'_> {
    let (mut frames, mut links, mut at) = (Vec::new(), Vec::new(), 0);
    let mut big = false;
    while let Some(mut kind) = number(file, at, 4, big) {
        if file[at..].starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
            big = file.get(at + 8) == Some(&0x1a);
            links.clear();
            kind = 0;
        }
        let Some(length) = number(file, at + 4, 4, big).filter(|&n| n >= 12) else { break };
        let Some(block) = file.get(at..at + length) else { break };
        match kind {
            1 => links.push(number(block, 8, 2, big).unwrap_or(0)),
            6 => {
                let (interface, captured) = (number(block, 8, 4, big), number(block, 20, 4, big));
                let link = interface.and_then(|i| links.get(i));
                let frame = captured.and_then(|n| block.get(28..28 + n));
                frames.extend(link.copied().zip(frame));
            }
            3 => frames.extend(links.first().copied().zip(block.get(12..length - 4))),
            _ => {}
        }
        at += length;
    }
    frames
}

fn ip_packet(link: usize, frame: &[u8]) -> Option<&[u8]> {
    let at = match link {
        0 | 108 => 4,
        1 => {
            let mut at = 12;
            while number(frame, at, 2, true) == Some(0x8100) {
                at += 4;
            }
            at + 2
        }
        12 | 14 | 101 | 228 | 229 => 0,
        113 => 16,
        276 => 20,
        _ => return None,
    };
    frame.get(at..)
}

fn udp(packet: &[u8]) -> Option<&[u8]> {
    let (protocol, header) = match packet.first()? >> 4 {
        4 if number(packet, 6, 2, true)? & 0x3fff == 0 => {
            (packet.get(9)?, 4 * usize::from(packet.first()? & 15))
        }
        6 => (packet.get(6)?, 40),
        _ => return None,
    };
    if *protocol != 17 {
        return None;
    }
    let length = number(packet, header + 4, 2, true)?;
    packet.get(header + 8..header + length)
}
