//! SRTP on the two halves of a stream (RFC 3711): each context lives as long as its key, and is wiped with it.
//!
//! A description with the same keys changes nothing: roll-over counters and windows go on. In place, without
//! allocation.

use crate::media::params::MediaError;
use crate::proto::srtp::{MasterKey, Protector, SrtpError, StreamKeys, Unprotector, MAX_MKI, MAX_OVERHEAD};

/// Room that a packet to be protected needs behind it.
pub const ROOM: usize = MAX_OVERHEAD + MAX_MKI;

/// What we send.
pub struct SendSrtp {
    key: MasterKey,
    context: Protector,
}

/// What arrives.
pub struct ReceiveSrtp {
    key: MasterKey,
    context: Unprotector,
    /// The context of the key before, until the first packet under this one: descriptions and packets race.
    before: Option<Unprotector>,
}

/// The contexts for the keys of a new description.
pub struct Contexts {
    pub send: Option<Box<SendSrtp>>,
    pub receive: Option<Box<ReceiveSrtp>>,
}

impl Contexts {
    pub fn new(keys: Option<&StreamKeys>) -> Result<Contexts, MediaError> {
        let Some(StreamKeys { send, receive }) = keys else {
            return Ok(Contexts { send: None, receive: None });
        };
        let protector = Protector::new(send).map_err(MediaError::Srtp)?;
        let unprotector = Unprotector::new(receive).map_err(MediaError::Srtp)?;
        Ok(Contexts {
            send: Some(Box::new(SendSrtp { key: send.clone(), context: protector })),
            receive: Some(Box::new(ReceiveSrtp { key: receive.clone(), context: unprotector, before: None })),
        })
    }
}

impl SendSrtp {
    /// Takes the new context's place unless its key is the same. True: our key has changed in a protected stream whose
    /// sequence numbers have rolled over, so that the peer could not know the counter to go on with.
    pub fn replace(current: &mut Option<Box<SendSrtp>>, new: Option<Box<SendSrtp>>, ssrc: u32) -> bool {
        let same = matches!((&*current, &new), (Some(old), Some(new)) if old.key == new.key);
        if same {
            return false;
        }
        let rolled = current.as_ref().and_then(|old| old.context.roc(ssrc)).is_some_and(|roc| roc > 0);
        let secure = new.is_some();
        *current = new;
        rolled && secure
    }

    /// Protects the packet in `buf[..len]` and gives its new length.
    pub fn protect(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        self.context.protect_rtp(buf, len)
    }
    /// The same for RTCP.
    pub fn protect_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        self.context.protect_rtcp(buf, len)
    }
}

impl ReceiveSrtp {
    /// Takes the new context's place unless its key is the same.
    pub fn replace(current: &mut Option<Box<ReceiveSrtp>>, new: Option<Box<ReceiveSrtp>>) {
        let same = matches!((&*current, &new), (Some(old), Some(new)) if old.key == new.key);
        if same {
            return;
        }
        let old = core::mem::replace(current, new);
        if let (Some(new), Some(old)) = (current, old) {
            new.before = Some(old.context);
        }
    }

    /// Takes the protection off a packet and gives its new length.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let opened = match self.context.unprotect_rtp(packet) {
            Err(SrtpError::Auth) if self.before.is_some() => return self.unprotect_after_change(packet),
            opened => opened?,
        };
        self.before = None;
        Ok(opened)
    }

    /// The same for RTCP.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        match (self.context.unprotect_rtcp(packet), &mut self.before) {
            (Err(SrtpError::Auth), Some(before)) => before.unprotect_rtcp(packet),
            (opened, _) => opened,
        }
    }

    /// A packet under the key before, or under the new one with the counter of the old (RFC 3711 section 3.3.1:
    /// re-keying doesn't reset it; some peers do).
    fn unprotect_after_change(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let Some(before) = &mut self.before else { return Err(SrtpError::Auth) };
        let ssrc = packet.get(8..12).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes);
        if let Some(roc) = before.roc(ssrc).filter(|roc| *roc > 0) {
            self.context.set_roc(ssrc, roc)?;
            if let Ok(opened) = self.context.unprotect_rtp(packet) {
                self.before = None;
                return Ok(opened);
            }
            self.context.set_roc(ssrc, 0)?;
        }
        before.unprotect_rtp(packet)
    }
}
