//! The registration of one account (RFC 3261 section 10): a binding that is made, refreshed, and
//! removed, and a status that says what is true of it.
//!
//! Driven by [`crate::ua::Agent`]: it calls `start`, `stop`, the `on_*` functions and, at
//! [`Registration::next_deadline`], [`Registration::on_deadline`]; after each of them it drains
//! [`Registration::poll_action`]. It resolves the hop of a request, adds the Via, runs the
//! transaction and reports back the final response or its absence. Service-Route: RFC 3608,
//! Path: RFC 3327, digest: RFC 8760, back-off: after RFC 5626 section 4.5.

mod binding;
mod pace;
mod request;

#[cfg(test)]
mod tests;

use core::net::SocketAddr;
use std::collections::VecDeque;

use crate::proto::sip::auth::{AuthError, Session};
use crate::proto::sip::{HeaderName, Message, Method, NameAddr, Uri};
use crate::ua::api::{AccountConfig, AccountStatus};
use crate::util::{Duration, Rng, Time};

pub use binding::observed_in;
pub use pace::Pace;
pub use request::{address_of_record, outbound_route, party, registrar_uri, Hop, RegisterRequest};

/// Answers that may be followed at once by another request (challenges, 423, 3xx) within one attempt.
const MAX_RESENDS: u32 = 5;
/// Longest wait that a Retry-After may ask for; a longer one counts as this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What the registration wants done, in order.
#[derive(Clone, Debug)]
pub enum RegistrationAction {
    /// Resolve `hop`, add a Via, send in a new client transaction.
    Send(RegisterRequest),
    Status(RegistrationStatus),
}

/// What is true of the binding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegistrationStatus {
    pub status: AccountStatus,
    /// The response that led here; 408 and 503 stand for silence and transport errors (RFC 3261
    /// section 8.1.3.1), 0 for no response at all yet.
    pub sip_code: u16,
    pub reason: Box<str>,
    /// Seconds that the binding has left.
    pub expires: u32,
    /// When it will be tried again; None for never (a final failure) and for no failure.
    pub retry_in: Option<Duration>,
}

/// Why no response came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoResponse {
    Timeout,
    Transport,
    /// The name of the hop was not found.
    Unresolved,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// Nothing is wanted.
    Off,
    /// A binding is wanted.
    On,
    /// The binding is to be removed until the deadline; then perhaps made again.
    Leaving { deadline: Time, restart: bool },
    /// A final failure: nothing happens until `start`.
    Dead,
}

/// A binding that the registrar confirmed.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Binding {
    contact: Box<str>,
    expires_at: Time,
    /// Seconds.
    granted: u32,
}

/// The registration of one account.
pub struct Registration {
    config: AccountConfig,
    call_id: Box<str>,
    from_tag: Box<str>,
    cseq: u32,
    contact: Box<str>,
    /// What we ask for: the setting, raised by 423.
    expires: u32,
    auth: Session,
    /// A registrar has accepted what `auth` remembers.
    authorized: bool,
    mode: Mode,
    binding: Option<Binding>,
    /// The request without a final response.
    pending: Option<Pending>,
    /// Refresh or retry.
    wake: Option<Time>,
    /// `wake` is a turn that was given to us.
    has_turn: bool,
    /// The phone has many accounts.
    crowded: bool,
    /// Something else than a refresh in its time led here: others may have come the same way at the same instant.
    herded: bool,
    backoff: Duration,
    resends: u32,
    /// From a 3xx: followed instead of the account's own hop until the attempt ends.
    redirect: Option<(String, Hop)>,
    last: (u16, Box<str>),
    reported: Option<(AccountStatus, u16)>,
    observed: Option<SocketAddr>,
    service_route: Vec<Box<str>>,
    path: Vec<Box<str>>,
    actions: VecDeque<RegistrationAction>,
}

#[derive(Clone, Debug)]
struct Pending {
    request: RegisterRequest,
    /// It asked for the removal of the binding.
    removes: bool,
}

impl Registration {
    /// Call-ID, tag and first sequence number come from `rng` and stay for the life of the account.
    pub fn new(config: &AccountConfig, rng: &mut dyn Rng) -> Registration {
        Registration {
            config: config.clone(),
            call_id: rng.token(26).into(),
            from_tag: rng.token(12).into(),
            // RFC 3261 section 8.1.1.5: below 2^31, and with room to count.
            cseq: rng.below(1 << 30) as u32,
            contact: "".into(),
            expires: config.expires,
            auth: Session::new(),
            authorized: false,
            mode: Mode::Off,
            binding: None,
            pending: None,
            wake: None,
            has_turn: false,
            crowded: false,
            herded: true,
            backoff: config.retry_min,
            resends: 0,
            redirect: None,
            last: (0, "".into()),
            reported: None,
            observed: None,
            service_route: Vec::new(),
            path: Vec::new(),
            actions: VecDeque::new(),
        }
    }

    /// Registers, or refreshes, as soon as it is its turn; also the way out of a final failure. `contact` is our
    /// contact URI without angle brackets; a new one replaces the old one in the registrar.
    pub fn start(&mut self, now: Time, rng: &mut dyn Rng, pace: &mut Pace, contact: &str) {
        self.crowded = pace.is_crowded();
        if self.prepare(contact) && !self.has_turn {
            self.attempt_in_turn(now, rng, pace);
        }
    }
    /// True: an attempt is due.
    fn prepare(&mut self, contact: &str) -> bool {
        self.contact = contact.into();
        if let Mode::Leaving { deadline, .. } = self.mode {
            self.mode = Mode::Leaving { deadline, restart: true };
            return false;
        }
        if self.mode == Mode::Dead {
            self.auth = Session::new();
            self.authorized = false;
        }
        if self.mode == Mode::Off {
            self.last = (0, "".into());
        }
        self.mode = Mode::On;
        self.herded = true;
        self.backoff = self.config.retry_min;
        self.pending.is_none()
    }
    fn attempt_in_turn(&mut self, now: Time, rng: &mut dyn Rng, pace: &mut Pace) {
        let turn = pace.turn(now, rng);
        if turn <= now {
            return self.attempt(now, rng);
        }
        self.has_turn = true;
        self.wake = Some(turn);
        if self.binding.is_none() {
            self.report(now, AccountStatus::Registering, None);
        }
    }

    /// Removes the binding; at the deadline it is given up and the status is INACTIVE all the same.
    pub fn stop(&mut self, now: Time, rng: &mut dyn Rng, deadline: Time) {
        match self.mode {
            Mode::Off => return self.report(now, AccountStatus::Inactive, None),
            Mode::Leaving { deadline: earlier, .. } => {
                self.mode = Mode::Leaving { deadline: deadline.min(earlier), restart: false };
                return;
            }
            Mode::On | Mode::Dead => {}
        }
        self.wake = None;
        self.has_turn = false;
        if self.binding.is_none() && self.pending.is_none() {
            self.mode = Mode::Off;
            return self.report(now, AccountStatus::Inactive, None);
        }
        self.mode = Mode::Leaving { deadline, restart: false };
        self.last = (0, "".into());
        self.report(now, AccountStatus::Deregistering, None);
        // RFC 3261 section 10.2: no new registration before the last one has its final response.
        if self.pending.is_none() {
            self.attempt(now, rng);
        }
    }

    /// A response to the request that is out; others are ignored.
    pub fn on_response(&mut self, now: Time, rng: &mut dyn Rng, response: &Message) {
        let status = response.status();
        if status < 200 {
            return;
        }
        let ours = self.pending.as_ref().is_some_and(|p| p.request.cseq == response.cseq());
        if !ours || response.call_id() != &*self.call_id {
            return;
        }
        let Some(pending) = self.pending.take() else { return };
        self.observed = observed_in(response).or(self.observed);
        self.last = (status, response.reason().into());
        match status {
            200..=299 => self.on_success(now, rng, response, &pending),
            300..=399 => self.on_redirect(now, rng, response, &pending),
            401 | 407 => self.on_challenge(now, rng, response, &pending),
            423 => self.on_too_brief(now, rng, response, &pending),
            408 | 500..=599 => self.on_temporary(now, rng, retry_after(response), &pending),
            // RFC 3261 section 20.33 lists these with Retry-After; without it they are final.
            413 | 429 | 480 | 486 | 491 | 600 | 603 if retry_after(response).is_some() => {
                self.on_temporary(now, rng, retry_after(response), &pending);
            }
            _ => self.on_final(now, rng, &pending),
        }
    }

    /// The request got no final response.
    pub fn on_no_response(&mut self, now: Time, rng: &mut dyn Rng, why: NoResponse) {
        let Some(pending) = self.pending.take() else { return };
        self.last = match why {
            NoResponse::Timeout => (408, "no response from the registrar".into()),
            NoResponse::Transport => (503, "transport error".into()),
            NoResponse::Unresolved => (503, "name of the registrar not found".into()),
        };
        self.on_temporary(now, rng, None, &pending);
    }

    /// The connection that the binding was made through is gone: it is made again soon, by the steps of the back-off
    /// (RFC 5626 section 4.5).
    pub fn on_flow_lost(&mut self, now: Time, rng: &mut dyn Rng) {
        if self.mode != Mode::On || self.pending.is_some() || self.binding.is_none() {
            return;
        }
        self.herded = true;
        let again = now + self.next_backoff(rng);
        self.wake = Some(self.wake.map_or(again, |wake| wake.min(again)));
    }

    /// To be called at `next_deadline`; earlier does no harm.
    pub fn on_deadline(&mut self, now: Time, rng: &mut dyn Rng, pace: &mut Pace) {
        self.crowded = pace.is_crowded();
        if let Mode::Leaving { deadline, restart } = self.mode {
            if now >= deadline {
                self.pending = None;
                self.left(now, rng, restart);
            }
            return;
        }
        if self.wake.is_some_and(|wake| now >= wake) {
            match self.has_turn || self.binding.is_some() {
                true => self.attempt(now, rng),
                false => self.attempt_in_turn(now, rng, pace),
            }
        }
        if self.binding.as_ref().is_some_and(|b| now >= b.expires_at) {
            self.lose_binding();
            if (200..=299).contains(&self.last.0) {
                self.last = (0, "the binding has expired".into());
            }
            self.report_unbound(now);
        }
    }

    /// When `on_deadline` is due: refresh, retry, loss of the binding, end of the patience of `stop`.
    pub fn next_deadline(&self) -> Option<Time> {
        match self.mode {
            Mode::Leaving { deadline, .. } => Some(deadline),
            _ => [self.wake, self.binding.as_ref().map(|b| b.expires_at)].into_iter().flatten().min(),
        }
    }

    /// What is to be done, in order.
    pub fn poll_action(&mut self) -> Option<RegistrationAction> {
        self.actions.pop_front()
    }

    pub fn status(&self) -> AccountStatus {
        self.reported.map_or(AccountStatus::Inactive, |(status, _)| status)
    }
    /// Is there a confirmed binding that has not expired?
    pub fn is_bound(&self) -> bool {
        self.binding.is_some()
    }
    /// Our address as the registrar saw it (received and rport of our Via, RFC 3581).
    pub fn observed_address(&self) -> Option<SocketAddr> {
        self.observed
    }
    /// Is it registered, or about to be, with another contact?
    pub fn wants_contact(&self, contact: &str) -> bool {
        self.mode == Mode::On && *self.contact != *contact
    }
    /// Routes for requests of this account, whole values (RFC 3608).
    pub fn service_route(&self) -> &[Box<str>] {
        &self.service_route
    }
    pub fn path(&self) -> &[Box<str>] {
        &self.path
    }
    pub fn call_id(&self) -> &str {
        &self.call_id
    }
    /// Digest state with the registrar: nonces that other requests of the account may use.
    pub fn auth_mut(&mut self) -> &mut Session {
        &mut self.auth
    }

    /// Starts a new attempt: the first request of a registration, refresh, retry or removal.
    fn attempt(&mut self, now: Time, rng: &mut dyn Rng) {
        self.resends = 0;
        self.redirect = None;
        self.wake = None;
        self.has_turn = false;
        self.send(rng);
        if self.mode == Mode::On && self.binding.is_none() {
            self.report(now, AccountStatus::Registering, None);
        }
    }

    /// Sends again within the attempt; false when that was done too often.
    fn resend(&mut self, rng: &mut dyn Rng) -> bool {
        self.resends += 1;
        if self.resends > MAX_RESENDS {
            return false;
        }
        self.send(rng);
        true
    }

    fn send(&mut self, rng: &mut dyn Rng) {
        self.cseq += 1;
        let removes = matches!(self.mode, Mode::Leaving { .. });
        let request = self.request(rng, removes);
        self.pending = Some(Pending { request: request.clone(), removes });
        self.actions.push_back(RegistrationAction::Send(request));
    }

    fn request(&mut self, rng: &mut dyn Rng, removes: bool) -> RegisterRequest {
        let (uri, hop) = match &self.redirect {
            Some(redirect) => redirect.clone(),
            None => (registrar_uri(&self.config), Hop::of_account(&self.config)),
        };
        let party = party(&self.config);
        let expires = if removes { 0 } else { self.expires };
        let mut headers = vec![
            (HeaderName::MaxForwards, "70".to_owned()),
            (HeaderName::From, format!("{party};tag={}", self.from_tag)),
            (HeaderName::To, party),
            (HeaderName::CallId, self.call_id.to_string()),
            (HeaderName::CSeq, format!("{} REGISTER", self.cseq)),
        ];
        if let Some(route) = outbound_route(&self.config).filter(|_| self.redirect.is_none()) {
            headers.push((HeaderName::Route, route));
        }
        for (contact, expires) in self.contacts(removes, expires) {
            headers.push((HeaderName::Contact, format!("<{contact}>;expires={expires}")));
        }
        headers.push((HeaderName::Expires, expires.to_string()));
        headers.push((HeaderName::Supported, "path".to_owned()));
        let credentials = &self.config.credentials;
        for (proxy, value) in self.auth.authorize(rng, &Method::Register, &uri, b"", credentials) {
            let name = if proxy { HeaderName::ProxyAuthorization } else { HeaderName::Authorization };
            headers.push((name, value));
        }
        RegisterRequest { hop, uri, cseq: self.cseq, headers }
    }

    /// Contacts with their expiry: ours, and an old one that is to go.
    fn contacts(&self, removes: bool, expires: u32) -> Vec<(Box<str>, u32)> {
        let bound = self.binding.as_ref().map(|b| b.contact.clone());
        match bound {
            Some(bound) if removes => vec![(bound, 0)],
            Some(bound) if bound != self.contact => vec![(self.contact.clone(), expires), (bound, 0)],
            _ => vec![(self.contact.clone(), expires)],
        }
    }

    fn on_success(&mut self, now: Time, rng: &mut dyn Rng, response: &Message, pending: &Pending) {
        self.auth.succeeded(response);
        self.authorized = true;
        if pending.removes {
            return self.removed(now, rng);
        }
        let granted = binding::granted(response, &self.contact, self.observed, self.expires);
        let Some(granted) = granted.filter(|&seconds| seconds > 0) else {
            // A 200 that doesn't list our contact: somebody else removed it, or it was never made.
            self.lose_binding();
            self.last.1 = "the registrar does not list our contact".into();
            return self.on_temporary(now, rng, None, pending);
        };
        let expires_at = now + Duration::from_secs(u64::from(granted));
        let before = self.binding.replace(Binding { contact: self.contact.clone(), expires_at, granted });
        self.service_route = response.values(HeaderName::ServiceRoute).map(Box::from).collect();
        self.path = response.values(HeaderName::Path).map(Box::from).collect();
        self.backoff = self.config.retry_min;
        if let Mode::Leaving { .. } = self.mode {
            return self.attempt(now, rng);
        }
        // A registrar that has changed its mind has changed it for all.
        let herded = self.herded || before.is_none_or(|b| b.granted / 2 > granted || granted / 2 > b.granted);
        self.herded = false;
        self.wake = Some(match self.crowded && herded {
            true => now + binding::first_refresh(granted, rng),
            false => expires_at - binding::refresh_margin(granted, rng),
        });
        self.report(now, AccountStatus::Registered, None);
    }

    fn on_redirect(&mut self, now: Time, rng: &mut dyn Rng, response: &Message, pending: &Pending) {
        let contact = response.contacts().into_iter().next();
        let target = contact.and_then(|c: NameAddr| Some((Uri::parse(&c.uri_text).ok()?, c.uri_text)));
        let (Some((uri, text)), None) = (target, &self.redirect) else {
            return self.on_final(now, rng, pending);
        };
        let Some(hop) = Hop::of_uri(&uri, self.config.transport) else {
            return self.on_final(now, rng, pending);
        };
        self.redirect = Some((text.into(), hop));
        if !self.resend(rng) {
            self.on_temporary(now, rng, None, pending);
        }
    }

    fn on_challenge(&mut self, now: Time, rng: &mut dyn Rng, response: &Message, pending: &Pending) {
        let verdict = match self.read_back(pending) {
            Some(sent) => self.auth.challenged(response, &sent, &self.config.credentials),
            None => Err(AuthError::NoUsableChallenge),
        };
        match verdict {
            // One refusal is final: trying on would lock the account or look like an attack.
            Err(_) => self.on_final(now, rng, pending),
            Ok(()) => {
                if !self.resend(rng) {
                    self.on_temporary(now, rng, None, pending);
                }
            }
        }
    }

    /// The request that was challenged, as the digest session wants to see it. The first request of a
    /// refresh carries remembered credentials: when their nonce has grown old, some registrars challenge
    /// without saying `stale`. That refuses the nonce, not the secret, so they are left out of sight, once.
    fn read_back(&mut self, pending: &Pending) -> Option<Message> {
        let mut request = pending.request.clone();
        if self.resends == 0 && self.authorized {
            self.auth = Session::new();
            self.authorized = false;
            let credentials = [HeaderName::Authorization, HeaderName::ProxyAuthorization];
            request.headers.retain(|(name, _)| !credentials.contains(name));
        }
        // The Via is the agent's and says nothing about credentials: any will do.
        let bytes = request.build("SIP/2.0/UDP 0.0.0.0;branch=z9hG4bK", "").ok()?;
        Message::parse(&bytes).ok()
    }

    fn on_too_brief(&mut self, now: Time, rng: &mut dyn Rng, response: &Message, pending: &Pending) {
        let minimum = response.header(HeaderName::MinExpires).and_then(|text| text.trim().parse().ok());
        match minimum.filter(|&minimum: &u32| minimum > self.expires) {
            Some(minimum) if !pending.removes => {
                self.expires = minimum;
                if !self.resend(rng) {
                    self.on_temporary(now, rng, None, pending);
                }
            }
            _ => self.on_temporary(now, rng, None, pending),
        }
    }

    /// A failure that passes: the binding (if any) holds until it expires, and we try again.
    fn on_temporary(
        &mut self,
        now: Time,
        rng: &mut dyn Rng,
        retry_after: Option<Duration>,
        pending: &Pending,
    ) {
        if let Mode::Leaving { .. } = self.mode {
            return self.leave_on(now, rng, pending);
        }
        let wait = self.next_backoff(rng).max(retry_after.unwrap_or_default());
        self.herded = true;
        self.wake = Some(now + wait);
        if self.binding.as_ref().is_some_and(|b| now < b.expires_at) {
            self.report(now, AccountStatus::Registered, Some(wait));
        } else {
            self.lose_binding();
            self.report(now, AccountStatus::Failed, Some(wait));
        }
    }

    /// A failure that stays.
    fn on_final(&mut self, now: Time, rng: &mut dyn Rng, pending: &Pending) {
        if let Mode::Leaving { .. } = self.mode {
            return self.leave_on(now, rng, pending);
        }
        self.mode = Mode::Dead;
        self.wake = None;
        self.lose_binding();
        self.report(now, AccountStatus::Failed, None);
    }

    /// A failure while leaving: if it was still the old REGISTER, the binding it refreshed is removed now;
    /// if it was the removal itself, there is nothing left to try.
    fn leave_on(&mut self, now: Time, rng: &mut dyn Rng, pending: &Pending) {
        if !pending.removes && self.binding.is_some() {
            return self.attempt(now, rng);
        }
        self.removed(now, rng);
    }

    fn removed(&mut self, now: Time, rng: &mut dyn Rng) {
        let restart = matches!(self.mode, Mode::Leaving { restart: true, .. });
        self.left(now, rng, restart);
    }

    fn left(&mut self, now: Time, rng: &mut dyn Rng, restart: bool) {
        self.lose_binding();
        self.wake = None;
        self.mode = Mode::Off;
        self.report(now, AccountStatus::Inactive, None);
        if restart {
            let contact = self.contact.clone();
            if self.prepare(&contact) {
                self.attempt(now, rng);
            }
        }
    }

    fn lose_binding(&mut self) {
        self.binding = None;
        self.service_route.clear();
        self.path.clear();
    }

    /// The binding ran out: REGISTERING while a request is out, otherwise FAILED until the next try.
    fn report_unbound(&mut self, now: Time) {
        match self.pending {
            Some(_) => self.report(now, AccountStatus::Registering, None),
            None => {
                let wait = self.wake.map(|wake| wake.since(now));
                self.report(now, AccountStatus::Failed, wait);
            }
        }
    }

    /// Half to whole of the current step (RFC 5626 section 4.5), which doubles.
    fn next_backoff(&mut self, rng: &mut dyn Rng) -> Duration {
        let step = self.backoff.max(Duration::from_millis(1)).min(self.config.retry_max);
        self.backoff = (step * 2).min(self.config.retry_max.max(self.config.retry_min));
        let half = step / 2;
        let spread = rng.below(u64::try_from(half.as_nanos()).unwrap_or(u64::MAX));
        half + Duration::from_nanos(spread)
    }

    /// Reports changes, and failures and grants each time.
    fn report(&mut self, now: Time, status: AccountStatus, retry_in: Option<Duration>) {
        let (sip_code, reason) = self.last.clone();
        let quiet = matches!(
            status,
            AccountStatus::Inactive | AccountStatus::Registering | AccountStatus::Deregistering
        );
        let same = self.reported.is_some_and(|(before, _)| before == status);
        if quiet && same {
            return;
        }
        self.reported = Some((status, sip_code));
        let expires = self.binding.as_ref().map_or(0, |b| seconds_left(b.expires_at.since(now)));
        self.actions.push_back(RegistrationAction::Status(RegistrationStatus {
            status,
            sip_code,
            reason,
            expires,
            retry_in,
        }));
    }
}

/// Whole seconds, upwards.
fn seconds_left(left: Duration) -> u32 {
    let whole = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    u32::try_from(whole).unwrap_or(u32::MAX)
}

/// `Retry-After: 18000 (in a meeting);duration=3600`
fn retry_after(response: &Message) -> Option<Duration> {
    let text = response.header(HeaderName::RetryAfter)?.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let seconds: u64 = text.get(..end).filter(|digits| !digits.is_empty())?.parse().unwrap_or(u64::MAX);
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}
