//! One Binding request to one server: retransmission (RFC 8489 section 6.2), credentials (section 9),
//! and what came of it. Sans-I/O: after each call drain `poll_transmit`, then look at `outcome` and
//! `next_deadline`.

use core::net::SocketAddr;
use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::attribute::{AttributeType, PasswordAlgorithm};
use super::builder::StunBuilder;
use super::integrity::Key;
use super::message::{Class, Method, StunMessage, TransactionId};
use crate::util::{Duration, Rng, Time};

/// New requests after 401, 438 and the like before we give up.
const MAX_CHALLENGES: u32 = 3;
/// What a nonce begins with that carries security features (section 9.2).
const NONCE_COOKIE: &str = "obMatJos2";

/// Long-term credentials; the realm is the server's to say.
#[derive(Clone)]
pub struct Credentials {
    pub user: Box<str>,
    pub password: Zeroizing<String>,
}

/// How a request is sent. The defaults are the RFC's.
#[derive(Clone)]
pub struct ClientConfig {
    /// TCP or TLS: sent once, with a limit in time instead of retransmissions.
    pub reliable: bool,
    /// First retransmission interval; it doubles.
    pub rto: Duration,
    /// How often it is sent.
    pub rc: u32,
    /// The wait after the last one, in RTOs.
    pub rm: u32,
    /// Over a reliable transport.
    pub ti: Duration,
    /// SOFTWARE; empty for none.
    pub software: Box<str>,
    pub credentials: Option<Credentials>,
    pub fingerprint: bool,
}

impl Default for ClientConfig {
    fn default() -> ClientConfig {
        ClientConfig {
            reliable: false,
            rto: Duration::from_millis(500),
            rc: 7,
            rm: 16,
            ti: Duration::from_millis(39_500),
            software: "".into(),
            credentials: None,
            fingerprint: true,
        }
    }
}

/// Why there is no address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    Timeout,
    /// An error response that can't be answered.
    Refused {
        code: u16,
        reason: Box<str>,
    },
    /// 300: ask that server, as the named domain if one is given.
    TryAlternate {
        server: SocketAddr,
        domain: Option<Box<str>>,
    },
    /// 401 without credentials of ours, or twice.
    Credentials,
    /// A success response without an address, or with attributes that must be understood and aren't.
    BadResponse,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Our address as the server saw it.
    Mapped {
        address: SocketAddr,
        round_trip: Option<Duration>,
    },
    Failed(Failure),
}

/// What the server asked for.
#[derive(Clone)]
struct Challenge {
    realm: Box<str>,
    nonce: Box<str>,
    /// The value of PASSWORD-ALGORITHMS, to be sent back as it came.
    algorithms: Option<Box<[u8]>>,
    algorithm: PasswordAlgorithm,
    anonymous: bool,
    key: Key,
}

/// One query.
pub struct Client {
    config: ClientConfig,
    id: TransactionId,
    request: Vec<u8>,
    sent: u32,
    first_sent: Time,
    next: Time,
    challenge: Option<Challenge>,
    challenges: u32,
    transmit: VecDeque<Vec<u8>>,
    outcome: Option<Outcome>,
}

impl Client {
    /// Starts at once: the first request is there to be polled.
    pub fn new(now: Time, rng: &mut dyn Rng, config: ClientConfig) -> Client {
        let mut client = Client {
            config,
            id: TransactionId::default(),
            request: Vec::new(),
            sent: 0,
            first_sent: now,
            next: now,
            challenge: None,
            challenges: 0,
            transmit: VecDeque::new(),
            outcome: None,
        };
        client.begin(now, rng);
        client
    }

    /// The next message to send to the server.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmit.pop_front()
    }
    /// None while the query runs.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }
    pub fn next_deadline(&self) -> Option<Time> {
        self.outcome.is_none().then_some(self.next)
    }

    /// To be called at `next_deadline`; earlier does no harm.
    pub fn on_deadline(&mut self, now: Time) {
        if self.outcome.is_some() || now < self.next {
            return;
        }
        if self.config.reliable || self.sent >= self.config.rc {
            self.finish(Outcome::Failed(Failure::Timeout));
            return;
        }
        self.send(now);
    }

    /// A message from the server: true when it was the response to our request. What fits no request of
    /// ours, or fails its checks, is dropped as if it had not come (sections 6.3.3 and 9.2.5).
    pub fn on_message(&mut self, now: Time, rng: &mut dyn Rng, bytes: &[u8]) -> bool {
        let Ok(message) = StunMessage::parse(bytes) else { return false };
        let ours = message.transaction_id() == self.id && message.method() == Method::BINDING;
        if self.outcome.is_some() || !ours || !self.is_authentic(&message) {
            return false;
        }
        match message.class() {
            Class::Success => self.on_success(now, &message),
            Class::Error => self.on_error(now, rng, &message),
            Class::Request | Class::Indication => return false,
        }
        true
    }

    fn begin(&mut self, now: Time, rng: &mut dyn Rng) {
        rng.fill(&mut self.id.0);
        self.sent = 0;
        self.first_sent = now;
        match self.build() {
            Some(request) => self.request = request,
            None => return self.finish(Outcome::Failed(Failure::Credentials)),
        }
        self.send(now);
    }

    /// The n-th wait is RTO * 2^(n-1); the last one Rm * RTO (section 6.2.1).
    fn send(&mut self, now: Time) {
        self.sent += 1;
        let wait = if self.config.reliable {
            self.config.ti
        } else if self.sent >= self.config.rc {
            self.config.rto.saturating_mul(self.config.rm)
        } else {
            self.config.rto.saturating_mul(1 << (self.sent - 1).min(20))
        };
        self.next = now + wait;
        self.transmit.push_back(self.request.clone());
    }

    fn build(&self) -> Option<Vec<u8>> {
        let mut builder = StunBuilder::new(Class::Request, Method::BINDING, self.id);
        if !self.config.software.is_empty() {
            builder = builder.text(AttributeType::SOFTWARE, &self.config.software);
        }
        if let (Some(challenge), Some(credentials)) = (&self.challenge, &self.config.credentials) {
            builder = with_credentials(builder, challenge, &credentials.user);
        }
        if self.config.fingerprint {
            builder = builder.fingerprint();
        }
        builder.build()
    }

    /// Responses to a request with integrity carry it, too; errors that say that the credentials were
    /// wrong may come without (section 9.2.5).
    fn is_authentic(&self, message: &StunMessage) -> bool {
        if message.attribute(AttributeType::FINGERPRINT).is_some() && !message.fingerprint_fits() {
            return false;
        }
        let Some(challenge) = &self.challenge else { return true };
        let key = &challenge.key;
        if message.attribute(AttributeType::MESSAGE_INTEGRITY_SHA256).is_some() {
            return message.integrity_sha256_fits(key);
        }
        if message.attribute(AttributeType::MESSAGE_INTEGRITY).is_some() {
            // Where SHA-256 was agreed, a lesser protection is a downgrade.
            return challenge.algorithms.is_none() && message.integrity_fits(key);
        }
        let code = message.error_code().map(|e| e.code);
        message.class() == Class::Error && matches!(code, Some(400 | 401 | 438))
    }

    fn on_success(&mut self, now: Time, message: &StunMessage) {
        let understood = message.not_understood().next().is_none();
        let outcome = match message.mapped_address().filter(|_| understood) {
            // Karn: after a retransmission nobody knows which one was answered.
            Some(address) => {
                Outcome::Mapped { address, round_trip: (self.sent == 1).then(|| now.since(self.first_sent)) }
            }
            None => Outcome::Failed(Failure::BadResponse),
        };
        self.finish(outcome);
    }

    fn on_error(&mut self, now: Time, rng: &mut dyn Rng, message: &StunMessage) {
        let Some(error) = message.error_code().filter(|_| message.not_understood().next().is_none()) else {
            return self.finish(Outcome::Failed(Failure::BadResponse));
        };
        match error.code {
            401 if self.challenge.is_some() => self.finish(Outcome::Failed(Failure::Credentials)),
            401 | 438 if self.take_challenge(message) => self.begin(now, rng),
            401 | 438 => self.finish(Outcome::Failed(Failure::Credentials)),
            300 => {
                let refused = Failure::Refused { code: 300, reason: error.reason.into() };
                let failure = match message.address(AttributeType::ALTERNATE_SERVER) {
                    Some(server) => {
                        let domain = message.text(AttributeType::ALTERNATE_DOMAIN).map(Box::from);
                        Failure::TryAlternate { server, domain }
                    }
                    None => refused,
                };
                self.finish(Outcome::Failed(failure));
            }
            code => {
                let failure = Failure::Refused { code, reason: error.reason.into() };
                self.finish(Outcome::Failed(failure));
            }
        }
    }

    /// Learns realm, nonce and algorithm (section 9.2.5); false when we can't answer.
    fn take_challenge(&mut self, message: &StunMessage) -> bool {
        self.challenges += 1;
        let Some(credentials) = self.config.credentials.clone() else { return false };
        let realm = message.text(AttributeType::REALM).or(self.challenge.as_ref().map(|c| &*c.realm));
        let (Some(realm), Some(nonce)) = (realm, message.text(AttributeType::NONCE)) else { return false };
        let features = NonceFeatures::of(nonce);
        let list = message.attribute(AttributeType::PASSWORD_ALGORITHMS).map(|a| a.value);
        // The nonce says that there are algorithms: one who cut them out wants a weaker key.
        if self.challenges > MAX_CHALLENGES || (features.algorithms && list.is_none()) {
            return false;
        }
        let algorithm = match list.filter(|_| features.algorithms) {
            Some(list) => match PasswordAlgorithm::decode_list(list).next() {
                Some(algorithm) => algorithm,
                None => return false,
            },
            None => PasswordAlgorithm::Md5,
        };
        let key = Key::long_term(algorithm, &credentials.user, realm, &credentials.password);
        self.challenge = Some(Challenge {
            realm: realm.into(),
            nonce: nonce.into(),
            algorithms: list.filter(|_| features.algorithms).map(Box::from),
            algorithm,
            anonymous: features.anonymity,
            key,
        });
        true
    }

    fn finish(&mut self, outcome: Outcome) {
        self.transmit.clear();
        self.outcome = Some(outcome);
    }
}

fn with_credentials(mut builder: StunBuilder, challenge: &Challenge, user: &str) -> StunBuilder {
    builder = match challenge.anonymous {
        true => builder.userhash(user, &challenge.realm),
        false => builder.text(AttributeType::USERNAME, user),
    };
    builder =
        builder.text(AttributeType::REALM, &challenge.realm).text(AttributeType::NONCE, &challenge.nonce);
    match &challenge.algorithms {
        Some(list) => builder
            .raw(AttributeType::PASSWORD_ALGORITHMS, list)
            .password_algorithm(challenge.algorithm)
            .integrity_sha256(&challenge.key),
        None => builder.integrity(&challenge.key),
    }
}

/// The features that a nonce announces.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct NonceFeatures {
    algorithms: bool,
    anonymity: bool,
}

impl NonceFeatures {
    /// 24 bits in four characters of base64 behind the cookie. The registry counts bits from the left
    /// (section 18.1), the example of appendix B.1 from the right; no bit has two meanings yet, so
    /// both are heard.
    fn of(nonce: &str) -> NonceFeatures {
        let bits = nonce.strip_prefix(NONCE_COOKIE).and_then(|rest| base64_24(rest.as_bytes().get(..4)?));
        let bits = bits.unwrap_or(0);
        NonceFeatures { algorithms: bits & 0x80_0001 != 0, anonymity: bits & 0x40_0002 != 0 }
    }
}

fn base64_24(four: &[u8]) -> Option<u32> {
    four.iter().try_fold(0, |bits, &c| {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        Some(bits << 6 | u32::from(value))
    })
}
