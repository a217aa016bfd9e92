//! telephone-event payloads (RFC 4733).

/// Named events of a keypad: the digits, then the flash hook (RFC 4733 section 3.2, table 3).
const KEYS: &[u8; 17] = b"0123456789*#ABCD!";

/// One report of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TelephoneEvent {
    pub event: u8,
    pub end: bool,
    /// Power below 0 dBm0, 0..=63.
    pub volume: u8,
    /// In ticks of the RTP clock, since the packet's timestamp.
    pub duration: u16,
}

impl TelephoneEvent {
    pub const LEN: usize = 4;
    /// The largest duration one segment can tell (RFC 4733 section 2.5.1.3).
    pub const MAX_DURATION: u32 = 0xffff;

    /// None when there are fewer than four bytes. The reserved bit is ignored, as are further reports
    /// behind the first.
    pub fn parse(payload: &[u8]) -> Option<TelephoneEvent> {
        let &[event, flags, hi, lo, ..] = payload else { return None };
        Some(TelephoneEvent {
            event,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([hi, lo]),
        })
    }

    /// The volume is held below 64, the reserved bit is 0.
    pub fn to_bytes(&self) -> [u8; 4] {
        let [hi, lo] = self.duration.to_be_bytes();
        [self.event, u8::from(self.end) << 7 | self.volume.min(63), hi, lo]
    }

    /// The key on the telephone; `!` is the flash hook. Other events (RFC 4733 has 256) have no key.
    pub fn key(event: u8) -> Option<char> {
        KEYS.get(usize::from(event)).map(|&b| char::from(b))
    }

    pub fn from_key(key: char) -> Option<u8> {
        let key = key.to_ascii_uppercase();
        KEYS.iter().position(|&k| char::from(k) == key).map(|i| i as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_comes_back_as_it_went() {
        for event in [0, 9, 15, 16, 255] {
            let e = TelephoneEvent { event, end: event % 2 == 0, volume: 63, duration: 0xfedc };
            assert_eq!(TelephoneEvent::parse(&e.to_bytes()), Some(e));
        }
        assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), None);
    }

    #[test]
    fn keys_and_codes_are_inverse_and_sixteen_is_flash() {
        for code in 0..=16 {
            let key = TelephoneEvent::key(code).expect("a key");
            assert_eq!(TelephoneEvent::from_key(key), Some(code));
        }
        assert_eq!(TelephoneEvent::key(16), Some('!'));
        assert_eq!(TelephoneEvent::key(17), None);
        assert_eq!(TelephoneEvent::from_key('d'), Some(15));
        assert_eq!(TelephoneEvent::from_key('x'), None);
    }
}
