//! A sender and a receiver of SRTP with any bytes between them: what was touched or seen before is refused and changes
//! nothing, what was not comes through as it was.

use super::bytes::Bytes;
use voip::proto::srtp::{MasterKey, Profile, Protector, SrtpError, Unprotector};
use voip::util::SeededRng;

pub fn run(input: &[u8]) {
    let mut input = Bytes(input);
    let mut link = Link::new(input.byte(), input.byte());
    for _ in 0..64 {
        if input.is_empty() {
            return;
        }
        match input.byte() % 8 {
            // Any bytes as they are, under no key.
            0 => link.refuses(input.piece().to_vec()),
            1..=4 => link.rtp(&mut input),
            _ => link.rtcp(&mut input),
        }
    }
}

struct Link {
    send: Protector,
    receive: Unprotector,
    sequence: u16,
    last: Vec<u8>,
}

impl Link {
    fn new(profile: u8, flags: u8) -> Link {
        let profile = Profile::ALL[usize::from(profile) % Profile::ALL.len()];
        let generated = MasterKey::generate(profile, &mut SeededRng::new(7)).key_and_salt();
        let (key, salt) = generated.split_at(profile.key_bytes());
        let mki = &b"mki!"[..usize::from(flags & 3)];
        let master = MasterKey::new(profile, key, salt, mki).expect("a key");
        let mut send = Protector::new(&master).expect("a sender");
        let mut receive = Unprotector::new(&master).expect("a receiver");
        send.set_encryption(flags & 4 == 0, flags & 8 == 0);
        receive.set_encryption(flags & 4 == 0);
        Link { send, receive, sequence: u16::from_be_bytes([flags, 0xfa]), last: Vec::new() }
    }

    /// Not made under our key.
    fn refuses(&mut self, bytes: Vec<u8>) {
        assert!(self.receive.unprotect_rtp(&mut bytes.clone()).is_err());
        assert!(self.receive.unprotect_rtcp(&mut bytes.clone()).is_err());
    }

    fn rtp(&mut self, input: &mut Bytes<'_>) {
        let step = input.byte();
        self.sequence = self.sequence.wrapping_add(u16::from(step % 64) + 1);
        let mut packet = vec![0x80, step, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1 + step % 3];
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(input.piece());
        // CSRCs, extension and padding as they come: what is no packet is refused.
        packet[0] |= input.byte() & 0x3f;
        let len = packet.len();
        let mut sealed = [&packet[..], &[0; 200]].concat();
        let Ok(total) = self.send.protect_rtp(&mut sealed, len) else { return };
        assert_eq!(total, len + self.send.rtp_overhead());
        sealed.truncate(total);
        self.passes(input, &sealed, &packet, Unprotector::unprotect_rtp);
    }

    fn rtcp(&mut self, input: &mut Bytes<'_>) {
        let mut packet = vec![0x80, 200, 0, 1, 0, 0, 0, 1 + input.byte() % 3];
        packet.extend_from_slice(input.piece());
        let len = packet.len();
        let mut sealed = [&packet[..], &[0; 200]].concat();
        let Ok(total) = self.send.protect_rtcp(&mut sealed, len) else { return };
        assert_eq!(total, len + self.send.rtcp_overhead());
        sealed.truncate(total);
        self.passes(input, &sealed, &packet, Unprotector::unprotect_rtcp);
    }

    fn passes(
        &mut self,
        input: &mut Bytes<'_>,
        sealed: &[u8],
        plain: &[u8],
        open: fn(&mut Unprotector, &mut [u8]) -> Result<usize, SrtpError>,
    ) {
        let mut touched = sealed.to_vec();
        input.patch(&mut touched);
        if touched != sealed {
            assert!(open(&mut self.receive, &mut touched).is_err(), "a packet that was touched");
        }
        let mut whole = sealed.to_vec();
        assert_eq!(open(&mut self.receive, &mut whole), Ok(plain.len()));
        assert_eq!(&whole[..plain.len()], plain);
        assert_eq!(open(&mut self.receive, &mut sealed.to_vec()), Err(SrtpError::Replay));
        let before = std::mem::replace(&mut self.last, sealed.to_vec());
        self.refuses(before);
    }
}
