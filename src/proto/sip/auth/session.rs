//! What is remembered between requests: challenges, nonce counts, the cnonce of a `-sess` algorithm.

use super::challenge::auth_param;
use super::digest::{self, Answer};
use super::{AuthError, Challenge, Credentials, Secret};
use crate::proto::sip::text::{self, List};
use crate::proto::sip::{HeaderName, Message, Method};
use crate::util::Rng;
use core::fmt;
use zeroize::Zeroizing;

/// More realms than this on the way to one destination: the oldest is forgotten.
const MAX_SPACES: usize = 16;

/// One protection space (proxy or not, realm) and where we are in it.
struct Space {
    challenge: Challenge,
    /// Answers given with this nonce.
    uses: u32,
    cnonce: String,
}

impl Space {
    fn new(challenge: Challenge) -> Space {
        Space { challenge, uses: 0, cnonce: String::new() }
    }
    fn is(&self, proxy: bool, realm: &str) -> bool {
        self.challenge.proxy == proxy && *self.challenge.realm == *realm
    }
}

/// Nonce counters per realm and nonce; remembers challenges so that later requests are sent with credentials at once.
#[derive(Default)]
pub struct Session {
    spaces: Vec<Space>,
}

impl Session {
    pub fn new() -> Session {
        Session::default()
    }
    /// Takes the challenges of a 401/407. `Err(Refused)` when the request that was answered (`answered`, as sent)
    /// already carried credentials for that realm and the challenge isn't stale.
    ///
    /// A nonce that served before and is now replaced counts as stale, said or not: servers forget
    /// their nonces when they start anew. A fresh nonce that was refused is final.
    pub fn challenged(
        &mut self,
        response: &Message,
        answered: &Message,
        credentials: &[Credentials],
    ) -> Result<(), AuthError> {
        let challenges = Challenge::all_of(response);
        if challenges.is_empty() {
            return Err(AuthError::NoUsableChallenge);
        }
        let (mut taken, mut refused): (Vec<(bool, Box<str>)>, bool) = (Vec::new(), false);
        for challenge in challenges {
            let fits = credentials.iter().any(|c| c.fit(&challenge));
            let seen =
                taken.iter().any(|(proxy, realm)| *proxy == challenge.proxy && *realm == challenge.realm);
            if !fits || seen {
                continue;
            }
            if self.is_refused(&challenge, answered) {
                refused = true;
                continue;
            }
            taken.push((challenge.proxy, challenge.realm.clone()));
            self.remember(challenge);
        }
        match (taken.is_empty(), refused) {
            (false, _) => Ok(()),
            (true, true) => Err(AuthError::Refused),
            (true, false) => Err(AuthError::NoCredentials),
        }
    }
    /// The Authorization / Proxy-Authorization header values for a request, by what is remembered: (is_proxy, value).
    pub fn authorize(
        &mut self,
        rng: &mut dyn Rng,
        method: &Method,
        uri: &str,
        body: &[u8],
        credentials: &[Credentials],
    ) -> Vec<(bool, String)> {
        let mut out = Vec::new();
        for space in &mut self.spaces {
            if let Some(found) = credentials.iter().find(|c| c.fit(&space.challenge)) {
                let value = space.authorize(rng, method, uri, body, found);
                out.push((space.challenge.proxy, value));
            }
        }
        out
    }
    /// Authentication-Info nextnonce.
    pub fn succeeded(&mut self, response: &Message) {
        let lines = [
            (false, response.header(HeaderName::AuthenticationInfo)),
            (true, response.header_named("Proxy-Authentication-Info", 0)),
        ];
        for (proxy, line) in lines {
            let Some(nonce) = line.and_then(next_nonce) else { continue };
            // The header names no realm: with several of them nobody knows whose nonce it is.
            let mut of_kind = self.spaces.iter_mut().filter(|space| space.challenge.proxy == proxy);
            if let (Some(space), None) = (of_kind.next(), of_kind.next()) {
                space.challenge.nonce = nonce.into();
                space.uses = 0;
            }
        }
    }

    fn is_refused(&self, challenge: &Challenge, answered: &Message) -> bool {
        let Some(used) = used_nonce(answered, challenge.proxy, &challenge.realm) else { return false };
        if challenge.stale {
            return false;
        }
        let known = self.spaces.iter().find(|space| space.is(challenge.proxy, &challenge.realm));
        match known {
            // Another request got a newer nonce in the meantime: this one may try with it.
            Some(space) if *space.challenge.nonce != *used => false,
            Some(space) => space.uses < 2 || *challenge.nonce == *used,
            None => true,
        }
    }

    fn remember(&mut self, challenge: Challenge) {
        let place = self.spaces.iter_mut().find(|space| space.is(challenge.proxy, &challenge.realm));
        match place {
            // The count goes on while the nonce stays.
            Some(space) if space.challenge.nonce == challenge.nonce => space.challenge = challenge,
            Some(space) => *space = Space::new(challenge),
            None => {
                if self.spaces.len() == MAX_SPACES {
                    self.spaces.remove(0);
                }
                self.spaces.push(Space::new(challenge));
            }
        }
    }
}

impl Challenge {
    /// The value of Authorization (or Proxy-Authorization) for this challenge by itself, with the caller's count and
    /// cnonce: what a [`Session`] does for an account, without its memory.
    pub fn answer(
        &self,
        method: &str,
        uri: &str,
        body: &[u8],
        credentials: (&str, &str),
        nc: u32,
        cnonce: &str,
    ) -> String {
        let (user, password) = credentials;
        let (algorithm, nonce, qop) = (self.algorithm, &*self.nonce, self.chosen_qop());
        let answer = Answer { algorithm, method, uri, nonce, qop, nc, cnonce, body };
        let response = answer.response(&digest::ha1(algorithm, user, &self.realm, password));
        write(&answer, self, user, &response)
    }
}

impl Space {
    fn authorize(
        &mut self,
        rng: &mut dyn Rng,
        method: &Method,
        uri: &str,
        body: &[u8],
        credentials: &Credentials,
    ) -> String {
        let challenge = &self.challenge;
        // The key of a `-sess` algorithm is made once for a nonce, so its cnonce stays (RFC 7616 section 3.4.2).
        if self.uses == 0 || !challenge.algorithm.is_session() {
            self.cnonce = rng.token(16);
        }
        self.uses = self.uses.saturating_add(1);
        let qop = challenge.chosen_qop();
        let answer = Answer {
            algorithm: challenge.algorithm,
            method: method.as_str(),
            uri,
            nonce: &challenge.nonce,
            qop,
            nc: self.uses,
            cnonce: &self.cnonce,
            body,
        };
        let user = &credentials.user;
        let response = match &credentials.secret {
            Secret::Password(password) | Secret::PasswordFor { password, .. } => {
                answer.response(&digest::ha1(challenge.algorithm, user, &challenge.realm, password))
            }
            Secret::Ha1 { hex, .. } => answer.response(&Zeroizing::new(hex.to_ascii_lowercase())),
        };
        write(&answer, challenge, user, &response)
    }
}

fn write(answer: &Answer<'_>, challenge: &Challenge, user: &str, response: &str) -> String {
    let mut out = String::with_capacity(320);
    out.push_str("Digest username=");
    text::push_quoted(&mut out, user);
    for (name, value) in [
        (", realm=", &*challenge.realm),
        (", nonce=", answer.nonce),
        (", uri=", answer.uri),
        (", response=", response),
    ] {
        out.push_str(name);
        text::push_quoted(&mut out, value);
    }
    out.push_str(", algorithm=");
    out.push_str(challenge.algorithm.as_str());
    if answer.qop.is_some() || challenge.algorithm.is_session() {
        out.push_str(", cnonce=");
        text::push_quoted(&mut out, answer.cnonce);
    }
    if let Some(opaque) = &challenge.opaque {
        out.push_str(", opaque=");
        text::push_quoted(&mut out, opaque);
    }
    if let Some(qop) = answer.qop {
        out.push_str(&format!(", qop={}, nc={:08x}", qop.as_str(), answer.nc));
    }
    out
}

/// The nonce that a request of ours answered in that realm.
fn used_nonce(request: &Message, proxy: bool, realm: &str) -> Option<String> {
    let name = match proxy {
        true => HeaderName::ProxyAuthorization,
        false => HeaderName::Authorization,
    };
    request.headers(name).find_map(|value| {
        let (scheme, params) = value.split_once(text::is_lws)?;
        let get = |wanted: &str| {
            let params = List::new(params).filter_map(auth_param);
            params.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
        };
        let ours = scheme.eq_ignore_ascii_case("Digest") && get("realm")? == realm;
        ours.then(|| get("nonce")).flatten()
    })
}

fn next_nonce(line: &str) -> Option<String> {
    let mut params = List::new(line).filter_map(auth_param);
    params.find(|(name, _)| name.eq_ignore_ascii_case("nextnonce")).map(|(_, value)| value)
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let realms = self.spaces.iter().map(|space| (&space.challenge.realm, space.uses));
        f.debug_map().entries(realms).finish()
    }
}
