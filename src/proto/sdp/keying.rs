//! Keys in descriptions: `a=crypto` offered, answered and accepted (RFC 4568 section 5), and which transports of
//! an `m=` line go with them.
//!
//! A secure transport without a key that we can use is refused. A plain transport with keys beside it is what phones
//! send that take either (best effort): it becomes secure if we want that, too, and keeps its name.

use super::{Attribute, Media, NegotiateError};
use crate::proto::srtp::{Crypto, MasterKey, Profile, StreamKeys};
use crate::util::Rng;

const CRYPTO: &str = "crypto";
/// Lines of one stream that are looked at.
const MAX_LINES: usize = 32;

/// How much a call insists on SRTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SrtpMode {
    /// Plain RTP; secure streams are refused.
    #[default]
    Off,
    /// Offers RTP/AVP with keys beside it; takes either.
    Optional,
    /// Offers RTP/SAVP; plain streams are refused.
    Mandatory,
}

/// What we bring of SRTP to an offer or an answer.
#[derive(Clone, Debug, Default)]
pub struct Keying {
    pub mode: SrtpMode,
    /// Ours, one for each suite that we offer and take, by preference.
    pub keys: Vec<MasterKey>,
}

/// What becomes of an offered stream.
#[derive(Clone, Debug)]
pub(super) enum Protection {
    Plain,
    Keys(Agreed),
}

#[derive(Clone, Debug)]
pub(super) struct Agreed {
    /// Of the offer's line; the answer repeats it.
    tag: u32,
    keys: Box<StreamKeys>,
}

impl Keying {
    /// With new keys for each of the suites; none while SRTP is off.
    pub fn generate(mode: SrtpMode, suites: &[Profile], rng: &mut dyn Rng) -> Keying {
        let wanted = if mode == SrtpMode::Off { &[][..] } else { suites };
        Keying { mode, keys: wanted.iter().map(|suite| MasterKey::generate(*suite, rng)).collect() }
    }

    fn key_for(&self, profile: Profile) -> Option<&MasterKey> {
        self.keys.iter().find(|key| key.profile() == profile)
    }

    /// Puts transport and keys into our offer. `before`: the same stream in our last description, live; it stays as
    /// secure as it was, with the same lines.
    pub(super) fn offer(&self, audio: &mut Media, before: Option<&Media>) {
        let said: Vec<Crypto> = before.map(lines_of).unwrap_or_default();
        let kept: Vec<Crypto> = said
            .iter()
            .filter_map(|line| self.key_for(line.profile()?).map(|key| Crypto::of(line.tag, key)))
            .collect();
        let fresh = kept.is_empty()
            && match self.mode {
                SrtpMode::Off => false,
                SrtpMode::Optional => before.is_none(),
                SrtpMode::Mandatory => true,
            };
        let lines = match fresh {
            true => self.keys.iter().zip(1..).map(|(key, tag)| Crypto::of(tag, key)).collect(),
            false => kept,
        };
        if let Some(before) = before {
            audio.protocol = before.protocol.clone();
        }
        if fresh && self.mode == SrtpMode::Mandatory && !is_secure(&audio.protocol) {
            audio.protocol = "RTP/SAVP".into();
        }
        lines.iter().for_each(|line| put(audio, line));
    }

    /// Takes the first line of an offered stream that we can use. None: the stream is not acceptable.
    pub(super) fn choose(&self, offered: &Media) -> Option<Protection> {
        if self.mode != SrtpMode::Off {
            if let Some(agreed) = lines_of(offered).iter().find_map(|line| self.keys_of(line)) {
                return Some(Protection::Keys(agreed));
            }
        }
        let plain = is_plain(&offered.protocol) && self.mode != SrtpMode::Mandatory;
        plain.then_some(Protection::Plain)
    }

    /// What the answer made of our offer.
    pub(super) fn accept(&self, offered: &Media, answered: &Media) -> Result<Protection, NegotiateError> {
        let secure = is_secure(&answered.protocol);
        if !secure && !is_plain(&answered.protocol) {
            return Err(NegotiateError::BadAnswer);
        }
        let ours = lines_of(offered);
        // Keys that nobody asked for mean nothing.
        if !secure && (ours.is_empty() || answered.attribute(CRYPTO).is_none()) {
            let insisted = is_secure(&offered.protocol) || self.mode == SrtpMode::Mandatory;
            return if insisted { Err(NegotiateError::NoSecurity) } else { Ok(Protection::Plain) };
        }
        // RFC 4568 section 5.1.3: tag and suite are those of one of the lines offered.
        let fits = |line: &Crypto| {
            ours.iter().any(|o| o.tag == line.tag && o.profile().is_some() && o.profile() == line.profile())
        };
        let lines = lines_of(answered);
        let line = lines.iter().find(|line| fits(line)).ok_or(NegotiateError::BadAnswer)?;
        self.keys_of(line).map(Protection::Keys).ok_or(NegotiateError::BadAnswer)
    }

    /// Our key of the peer's suite, and the peer's. None: we don't have the suite, or the key has the wrong length.
    fn keys_of(&self, theirs: &Crypto) -> Option<Agreed> {
        let send = self.key_for(theirs.profile()?)?.clone();
        let keys = StreamKeys { send, receive: theirs.master_key().ok()? };
        Some(Agreed { tag: theirs.tag, keys: Box::new(keys) })
    }
}

impl Protection {
    /// Puts our line into the answer: one, with the tag of the offer's (RFC 4568 section 5.1.2).
    pub(super) fn answer(&self, audio: &mut Media) {
        if let Protection::Keys(agreed) = self {
            put(audio, &Crypto::of(agreed.tag, &agreed.keys.send));
        }
    }
    pub(super) fn keys(self) -> Option<Box<StreamKeys>> {
        match self {
            Protection::Plain => None,
            Protection::Keys(agreed) => Some(agreed.keys),
        }
    }
}

/// RTP without encryption. AVPF (RFC 4585) asks for nothing that a receiver without feedback lacks.
pub(super) fn is_plain(protocol: &str) -> bool {
    ["RTP/AVP", "RTP/AVPF"].iter().any(|known| protocol.eq_ignore_ascii_case(known))
}

/// RTP under SRTP keyed in the description. (The transports of DTLS-SRTP have names of their own.)
pub(super) fn is_secure(protocol: &str) -> bool {
    ["RTP/SAVP", "RTP/SAVPF"].iter().any(|known| protocol.eq_ignore_ascii_case(known))
}

fn put(audio: &mut Media, line: &Crypto) {
    audio.attributes.push(Attribute::new(CRYPTO, &line.write()));
}

/// The lines that can be used: one key, and no parameter that changes what the suite does. Unknown ones do unless
/// they begin with `-` (RFC 4568 section 6.3.7).
fn lines_of(media: &Media) -> Vec<Crypto> {
    let lines = media.attribute_values(CRYPTO).take(MAX_LINES).filter_map(|text| Crypto::parse(text).ok());
    lines.filter(|line| line.keys.len() == 1 && line.params.iter().all(|p| is_harmless(p))).collect()
}

/// A hint about windows, and the defaults said aloud.
fn is_harmless(param: &str) -> bool {
    let named = |name: &str| param.get(..name.len()).is_some_and(|p| p.eq_ignore_ascii_case(name));
    named("-") || named("WSH=") || param.eq_ignore_ascii_case("KDR=0")
}
