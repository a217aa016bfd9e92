//! One challenge of a server, and all of a response (RFC 7616 section 3.3, RFC 8760 section 2.4).

use super::{Algorithm, Qop};
use crate::proto::sip::text::{self, error, List};
use crate::proto::sip::{HeaderName, Message, ParseError};
use core::cmp::Reverse;

/// A challenge whose text is longer isn't answered: we would have to send all of it back.
const MAX_CHALLENGE_BYTES: usize = 4096;
/// More challenges than this in a response are not looked at.
const MAX_CHALLENGES: usize = 32;

/// One WWW-Authenticate or Proxy-Authenticate value.
#[derive(Clone, Debug)]
pub struct Challenge {
    pub realm: Box<str>,
    pub nonce: Box<str>,
    pub opaque: Option<Box<str>>,
    pub algorithm: Algorithm,
    /// Empty: RFC 2069 form, no qop.
    pub qop: Vec<Qop>,
    pub stale: bool,
    /// From Proxy-Authenticate.
    pub proxy: bool,
}

impl Challenge {
    /// Err for other schemes than Digest and for unknown algorithms (which are then skipped).
    pub fn parse(value: &str, proxy: bool) -> Result<Challenge, ParseError> {
        let value = text::trim(value);
        if value.len() > MAX_CHALLENGE_BYTES {
            return Err(error(MAX_CHALLENGE_BYTES, "a challenge of at most 4096 bytes"));
        }
        let (scheme, params) = value.split_once(text::is_lws).unwrap_or((value, ""));
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(error(0, "the scheme Digest"));
        }
        let at = text::offset_in(value, params);
        parse_digest(params, proxy).map_err(|e| e.shifted(at))
    }
    /// All usable challenges of a 401 or 407, in the order of preference (SHA-512-256, SHA-256, MD5; then order of the message).
    pub fn all_of(response: &Message) -> Vec<Challenge> {
        let mut found = Vec::new();
        for (name, proxy) in [(HeaderName::WwwAuthenticate, false), (HeaderName::ProxyAuthenticate, true)] {
            let values = response.headers(name).flat_map(split_challenges).take(MAX_CHALLENGES);
            found.extend(values.filter_map(|value| Challenge::parse(value, proxy).ok()));
        }
        found.sort_by_key(|challenge| Reverse(strength(challenge.algorithm)));
        found
    }
    /// Of the qops offered the one that survives intermediaries which touch bodies.
    pub(super) fn chosen_qop(&self) -> Option<Qop> {
        match self.qop.contains(&Qop::Auth) {
            true => Some(Qop::Auth),
            false => self.qop.first().copied(),
        }
    }
}

/// One parameter of a challenge or of credentials, whatever the scheme: without its quotes, by name without case.
pub fn parameter(value: &str, name: &str) -> Option<String> {
    let (_, params) = text::trim(value).split_once(text::is_lws)?;
    let found = List::new(params).filter_map(auth_param).find(|(own, _)| own.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

const fn strength(algorithm: Algorithm) -> u8 {
    match algorithm.base() {
        Algorithm::Sha512_256 => 2,
        Algorithm::Sha256 => 1,
        _ => 0,
    }
}

/// One line is one challenge in SIP; servers that list several with commas are understood too.
fn split_challenges(line: &str) -> Vec<&str> {
    let mut starts: Vec<usize> = List::new(line)
        .filter(|element| starts_challenge(element))
        .map(|element| text::offset_in(line, element))
        .collect();
    starts.push(line.len());
    starts.windows(2).filter_map(|pair| line.get(pair[0]..pair[1])).map(trim_comma).collect()
}

fn trim_comma(text: &str) -> &str {
    text.trim_end_matches(|c| c == ',' || text::is_lws(c))
}

/// `Digest realm="x"` starts a challenge, `nonce = "y"` doesn't.
fn starts_challenge(element: &str) -> bool {
    let Some((word, rest)) = element.split_once(text::is_lws) else { return false };
    text::is_token(word) && !rest.trim_start_matches(text::is_lws).starts_with('=')
}

fn parse_digest(params: &str, proxy: bool) -> Result<Challenge, ParseError> {
    let (mut realm, mut nonce, mut opaque) = (None, None, None);
    let mut algorithm = Algorithm::Md5;
    let mut qop = Vec::new();
    let mut stale = false;
    for element in List::new(params).filter(|element| !element.is_empty()) {
        let at = text::offset_in(params, element);
        let (name, value) = auth_param(element).ok_or(error(at, "name=value"))?;
        match name.to_ascii_lowercase().as_str() {
            "realm" => realm = Some(value.into()),
            "nonce" => nonce = Some(value.into()),
            "opaque" => opaque = Some(value.into()),
            "stale" => stale = value.eq_ignore_ascii_case("true"),
            "algorithm" => {
                algorithm = Algorithm::from_token(&value).ok_or(error(at, "a known digest algorithm"))?;
            }
            "qop" => qop = parse_qop(&value).ok_or(error(at, "a known qop"))?,
            _ => {}
        }
    }
    let end = params.len();
    let realm = realm.ok_or(error(end, "a realm"))?;
    let nonce = nonce.ok_or(error(end, "a nonce"))?;
    Ok(Challenge { realm, nonce, opaque, algorithm, qop, stale, proxy })
}

/// `name=value` or `name="value"`; whether there are quotes is not what servers agree about.
pub(super) fn auth_param(element: &str) -> Option<(&str, String)> {
    let (name, value) = element.split_once('=')?;
    let (name, value) = (text::trim(name), text::trim(value));
    if !text::is_token(name) || value.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
        return None;
    }
    match value.starts_with('"') {
        true => (text::quoted_len(value)? == value.len()).then(|| (name, text::unquote(value))),
        false => Some((name, value.to_owned())),
    }
}

/// None: only qops that we don't know. An empty list is no qop.
fn parse_qop(value: &str) -> Option<Vec<Qop>> {
    let words = || value.split(|c| c == ',' || text::is_lws(c)).filter(|word| !word.is_empty());
    let known: Vec<Qop> = words()
        .filter_map(|word| {
            [Qop::Auth, Qop::AuthInt].into_iter().find(|q| word.eq_ignore_ascii_case(q.as_str()))
        })
        .collect();
    (!known.is_empty() || words().next().is_none()).then_some(known)
}
