//! One registration against a registrar of a few lines, in virtual time.

use super::*;
use crate::proto::sip::auth::{Credentials, Secret};
use crate::proto::sip::Transport;
use crate::util::SeededRng;

const CONTACT: &str = "sip:alice@192.0.2.7:5062";
const MINUTE: Duration = Duration::from_secs(60);

fn config() -> AccountConfig {
    AccountConfig {
        server: "example.com".into(),
        port: 0,
        transport: Transport::Udp,
        user: "alice".into(),
        display_name: None,
        credentials: vec![Credentials {
            realm: None,
            user: "alice".into(),
            secret: Secret::Password("secret".to_owned().into()),
        }],
        register: true,
        expires: 300,
        outbound_proxy: None,
        retry_min: Duration::from_secs(4),
        retry_max: Duration::from_secs(64),
        srtp: None,
    }
}

/// The registration, its clock, and what came out of it.
struct World {
    now: Time,
    rng: SeededRng,
    registration: Registration,
    pace: Pace,
    sent: Vec<RegisterRequest>,
    statuses: Vec<RegistrationStatus>,
}

impl World {
    fn new(config: AccountConfig) -> World {
        let mut rng = SeededRng::new(7);
        let registration = Registration::new(&config, &mut rng);
        let now = Time::from_secs(1000);
        World { now, rng, registration, pace: Pace::default(), sent: Vec::new(), statuses: Vec::new() }
    }
    /// Started and granted.
    fn registered(config: AccountConfig) -> World {
        let mut world = World::new(config);
        world.start();
        world.grant(300);
        assert_eq!(world.registration.status(), AccountStatus::Registered);
        world
    }
    fn drain(&mut self) {
        while let Some(action) = self.registration.poll_action() {
            match action {
                RegistrationAction::Send(request) => self.sent.push(request),
                RegistrationAction::Status(status) => self.statuses.push(status),
            }
        }
    }
    fn start(&mut self) {
        self.registration.start(self.now, &mut self.rng, &mut self.pace, CONTACT);
        self.drain();
    }
    fn stop(&mut self, patience: Duration) {
        self.registration.stop(self.now, &mut self.rng, self.now + patience);
        self.drain();
    }
    fn silence(&mut self, why: NoResponse) {
        self.registration.on_no_response(self.now, &mut self.rng, why);
        self.drain();
    }
    /// Jumps to the next deadline; how long that was.
    fn wake(&mut self) -> Duration {
        let at = self.registration.next_deadline().expect("a deadline");
        let passed = at.since(self.now);
        self.now = at.max(self.now);
        self.registration.on_deadline(self.now, &mut self.rng, &mut self.pace);
        self.drain();
        passed
    }
    fn last(&self) -> &RegisterRequest {
        self.sent.last().expect("a request")
    }
    fn header(&self, name: HeaderName) -> Option<&str> {
        header(self.last(), name)
    }
    fn status(&self) -> &RegistrationStatus {
        self.statuses.last().expect("a status")
    }
    /// Answers the last request with a status line and further header lines.
    fn answer(&mut self, status: &str, lines: &str) {
        let via = "SIP/2.0/UDP 192.0.2.7:5062;rport=40001;received=203.0.113.9;branch=z9hG4bK1";
        let request = self.last();
        let get = |name| header(request, name).expect("header");
        let text = format!(
            "SIP/2.0 {status}\r\nVia: {via}\r\nFrom: {}\r\nTo: {};tag=r\r\nCall-ID: {}\r\nCSeq: {}\r\n{lines}Content-Length: 0\r\n\r\n",
            get(HeaderName::From), get(HeaderName::To), get(HeaderName::CallId), get(HeaderName::CSeq),
        );
        let message = Message::parse(text.as_bytes()).expect("response");
        self.registration.on_response(self.now, &mut self.rng, &message);
        self.drain();
    }
    fn grant(&mut self, seconds: u32) {
        self.answer("200 OK", &format!("Contact: <{CONTACT}>;expires={seconds}\r\n"));
    }
    fn challenge(&mut self, code: u16, extra: &str) {
        let (name, reason) = match code {
            407 => ("Proxy-Authenticate", "Proxy Authentication Required"),
            _ => ("WWW-Authenticate", "Unauthorized"),
        };
        self.answer(
            &format!("{code} {reason}"),
            &format!(
                "{name}: Digest realm=\"example.com\", nonce=\"n{}\", qop=\"auth\"{extra}\r\n",
                self.sent.len()
            ),
        );
    }
}

fn header(request: &RegisterRequest, name: HeaderName) -> Option<&str> {
    request.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
}

fn contacts(request: &RegisterRequest) -> Vec<&str> {
    let all = request.headers.iter();
    all.filter(|(n, _)| *n == HeaderName::Contact).map(|(_, value)| value.as_str()).collect()
}

#[test]
fn a_request_says_who_where_and_for_how_long() {
    let mut world = World::new(AccountConfig { display_name: Some("A \"l\"".into()), ..config() });
    world.start();
    let request = world.last();
    assert_eq!(request.uri, "sip:example.com");
    assert_eq!(request.hop, Hop { host: "example.com".into(), port: 0, transport: Transport::Udp });
    assert_eq!(world.header(HeaderName::To), Some("\"A \\\"l\\\"\" <sip:alice@example.com>"));
    assert_eq!(contacts(request), ["<sip:alice@192.0.2.7:5062>;expires=300"]);
    assert_eq!(world.header(HeaderName::Expires), Some("300"));
    let bytes = request.build("SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bKx", "libvoip").unwrap();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.validate(), Ok(()));
    assert_eq!(message.method(), &Method::Register);
    assert_eq!(message.top_via().unwrap().branch(), Some("z9hG4bKx"));
    assert!(message.from_tag().is_some() && message.to_tag().is_none());
    assert_eq!(world.status().status, AccountStatus::Registering);
}

#[test]
fn ports_addresses_odd_users_and_proxies_stand_where_they_belong() {
    let mut world = World::new(AccountConfig {
        server: "2001:db8::1".into(),
        port: 5070,
        user: "al ice@home".into(),
        outbound_proxy: Some("sip:proxy.example.net:5080;lr".into()),
        ..config()
    });
    world.start();
    assert_eq!(world.last().uri, "sip:[2001:db8::1]:5070");
    assert_eq!(world.header(HeaderName::To), Some("<sip:al%20ice%40home@[2001:db8::1]>"));
    assert_eq!(world.header(HeaderName::Route), Some("<sip:proxy.example.net:5080;lr>"));
    let hop = Hop { host: "proxy.example.net".into(), port: 5080, transport: Transport::Udp };
    assert_eq!(world.last().hop, hop);
    let direct = AccountConfig { server: "[2001:db8::1]".into(), port: 5070, ..config() };
    assert_eq!(Hop::of_account(&direct).host, "2001:db8::1".into());
}

#[test]
fn a_grant_is_registered_and_refreshed_before_it_ends() {
    let mut world = World::new(config());
    world.start();
    world.grant(300);
    let status = world.status();
    assert_eq!((status.status, status.sip_code, status.expires), (AccountStatus::Registered, 200, 300));
    assert!(world.registration.is_bound());
    let waited = world.wake();
    assert!(waited >= Duration::from_secs(255) && waited <= Duration::from_secs(270), "{waited:?}");
    assert_eq!(world.sent.len(), 2);
    assert_eq!(header(&world.sent[0], HeaderName::CallId), header(&world.sent[1], HeaderName::CallId));
    assert_eq!(header(&world.sent[0], HeaderName::From), header(&world.sent[1], HeaderName::From));
    assert_eq!(world.sent[1].cseq, world.sent[0].cseq + 1);
    // A refresh is no news.
    assert_eq!(world.statuses.len(), 2);
}

#[test]
fn a_day_of_refreshes_keeps_the_binding_without_a_gap() {
    let mut world = World::registered(config());
    let end = world.now + Duration::from_secs(86_400);
    let mut bound_until = world.now + Duration::from_secs(300);
    let mut refreshes = 0;
    while world.now < end {
        world.wake();
        assert!(world.now < bound_until, "refresh {refreshes} is late");
        world.grant(300);
        assert_eq!(world.status().status, AccountStatus::Registered);
        bound_until = world.now + Duration::from_secs(300);
        refreshes += 1;
    }
    assert!((86_400 / 270..=86_400 / 255 + 1).contains(&refreshes), "{refreshes}");
    let rising = world.sent.windows(2).all(|w| w[1].cseq == w[0].cseq + 1);
    assert!(rising);
    assert!(world.statuses.iter().skip(1).all(|s| s.status == AccountStatus::Registered));
}

#[test]
fn refreshes_of_phones_that_registered_together_spread_out() {
    let waits: Vec<Duration> =
        (0..50).map(|seed| binding::refresh_margin(3600, &mut SeededRng::new(seed))).collect();
    let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(*least >= Duration::from_secs(120) && *most <= Duration::from_secs(180));
    assert!(*most - *least > Duration::from_secs(30));
    let tiny = binding::refresh_margin(4, &mut SeededRng::new(1));
    assert_eq!(tiny, Duration::from_secs(2));
}

#[test]
fn the_grant_is_the_contacts_own_then_the_headers_then_ours() {
    let granted = |lines: &str| {
        let mut world = World::new(config());
        world.start();
        world.answer("200 OK", lines);
        world.status().expires
    };
    let other = "Contact: <sip:alice@198.51.100.1>;expires=7\r\n";
    assert_eq!(granted(&format!("{other}Contact: <{CONTACT}>;expires=90\r\nExpires: 60\r\n")), 90);
    assert_eq!(granted(&format!("Contact: <{CONTACT}>\r\nExpires: 60\r\n")), 60);
    assert_eq!(granted(&format!("Contact: <{CONTACT}>\r\n")), 300);
    assert_eq!(granted(&format!("Contact: <{CONTACT}>;expires=\"120\"\r\n")), 120);
    // Rewritten by a registrar that looked at where the request came from, or given parameters.
    assert_eq!(granted("Contact: <sip:alice@203.0.113.9:40001>;expires=80\r\n"), 80);
    assert_eq!(granted("Contact: <sip:alice@192.0.2.7:5062;alias=x>;expires=70\r\n"), 70);
}

#[test]
fn a_grant_without_our_contact_is_not_registered() {
    for lines in [
        "",
        "Contact: <sip:alice@198.51.100.1>;expires=300\r\n",
        "Contact: <sip:bob@192.0.2.7:5062>;expires=300\r\n",
        "Contact: <sip:alice@192.0.2.7:5062>;expires=0\r\n",
    ] {
        let mut world = World::registered(config());
        world.wake();
        world.answer("200 OK", lines);
        let status = world.status().clone();
        assert_eq!(status.status, AccountStatus::Failed, "{lines}");
        assert!(status.retry_in.is_some() && status.expires == 0, "{lines}");
        assert!(!world.registration.is_bound());
        world.wake();
        assert_eq!(world.status().status, AccountStatus::Registering);
        world.grant(300);
        assert_eq!(world.status().status, AccountStatus::Registered);
    }
}

/// SEEDS.md part 6, defect 23.
#[test]
fn defect_23_a_lost_binding_is_never_registered() {
    let mut world = World::registered(config());
    let expiry = world.now + Duration::from_secs(300);
    world.wake();
    world.silence(NoResponse::Timeout);
    // The binding still holds; we say what is true, and when it will be tried again.
    let status = world.status().clone();
    assert_eq!((status.status, status.sip_code), (AccountStatus::Registered, 408));
    assert!(status.retry_in.is_some() && status.expires > 0);
    while world.now < expiry {
        world.wake();
        if world.registration.pending.is_some() && world.now < expiry {
            world.silence(NoResponse::Timeout);
        }
    }
    assert_eq!(world.now, expiry);
    assert!(matches!(world.status().status, AccountStatus::Failed), "{:?}", world.status());
    assert_eq!(world.status().expires, 0);
    assert!(!world.registration.is_bound());
}

#[test]
fn a_binding_that_ends_while_a_refresh_is_out_is_registering() {
    let mut world = World::registered(config());
    world.wake();
    assert!(world.registration.pending.is_some());
    world.wake();
    let status = world.status();
    assert_eq!((status.status, status.sip_code, status.expires), (AccountStatus::Registering, 0, 0));
    world.grant(300);
    assert_eq!(world.status().status, AccountStatus::Registered);
}

#[test]
fn too_brief_an_interval_is_raised_once_and_kept() {
    let mut world = World::new(config());
    world.start();
    world.answer("423 Interval Too Brief", "Min-Expires: 1800\r\n");
    assert_eq!(world.header(HeaderName::Expires), Some("1800"));
    world.grant(1800);
    world.wake();
    assert_eq!(world.header(HeaderName::Expires), Some("1800"));
    // Without a higher minimum there is nothing to raise to.
    world.answer("423 Interval Too Brief", "Min-Expires: 60\r\n");
    assert!(world.status().retry_in.is_some());
    assert_eq!(world.sent.len(), 3);
}

#[test]
fn a_challenge_is_answered_with_credentials_which_the_refresh_carries_at_once() {
    for (code, name) in [(401, HeaderName::Authorization), (407, HeaderName::ProxyAuthorization)] {
        let mut world = World::new(config());
        world.start();
        assert_eq!(world.header(name), None);
        world.challenge(code, "");
        assert!(world.header(name).unwrap().contains("response="));
        assert_eq!(world.statuses.len(), 1, "a challenge is no news");
        world.grant(300);
        world.wake();
        assert!(world.header(name).unwrap().contains("nc=00000002"), "{:?}", world.header(name));
    }
}

#[test]
fn one_refusal_of_the_credentials_is_final() {
    let mut world = World::new(config());
    world.start();
    world.challenge(401, "");
    world.challenge(401, "");
    let status = world.status().clone();
    assert_eq!((status.status, status.sip_code, status.retry_in), (AccountStatus::Failed, 401, None));
    assert_eq!(world.registration.next_deadline(), None, "no storm");
    assert_eq!(world.sent.len(), 2);
    // The host may try again, by hand.
    world.start();
    assert_eq!(world.header(HeaderName::Authorization), None);
    world.challenge(401, "");
    world.grant(300);
    assert_eq!(world.status().status, AccountStatus::Registered);
}

#[test]
fn without_credentials_a_challenge_is_final() {
    let mut world = World::new(AccountConfig { credentials: Vec::new(), ..config() });
    world.start();
    world.challenge(401, "");
    assert_eq!((world.status().status, world.status().retry_in), (AccountStatus::Failed, None));
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn a_stale_nonce_is_renewed_and_does_not_count_as_a_refusal() {
    let mut world = World::new(config());
    world.start();
    world.challenge(401, "");
    world.challenge(401, ", stale=true");
    world.grant(300);
    assert_eq!(world.status().status, AccountStatus::Registered);
    assert_eq!(world.sent.len(), 3);
}

#[test]
fn an_old_nonce_refused_without_stale_gets_one_more_try_in_a_refresh() {
    let mut world = World::new(config());
    world.start();
    world.challenge(401, "");
    world.grant(300);
    world.wake();
    assert!(world.header(HeaderName::Authorization).is_some());
    world.challenge(401, "");
    assert!(world.header(HeaderName::Authorization).unwrap().contains("nc=00000001"));
    world.grant(300);
    assert_eq!(world.status().status, AccountStatus::Registered);
    // With a password that the registrar has changed, that one try is all.
    world.wake();
    let before = world.sent.len();
    world.challenge(401, "");
    world.challenge(401, "");
    assert_eq!(world.sent.len(), before + 1);
    assert_eq!((world.status().status, world.status().retry_in), (AccountStatus::Failed, None));
}

#[test]
fn a_server_that_calls_every_nonce_stale_is_left_alone_for_a_while() {
    let mut world = World::new(config());
    world.start();
    for _ in 0..=MAX_RESENDS {
        world.challenge(401, ", stale=true");
    }
    assert_eq!(world.sent.len(), 1 + MAX_RESENDS as usize);
    assert_eq!(world.status().status, AccountStatus::Failed);
    assert!(world.status().retry_in.is_some());
}

#[test]
fn refusals_are_final() {
    for line in ["403 Forbidden", "404 Not Found", "400 Bad Request", "420 Bad Extension", "603 Decline"] {
        let mut world = World::registered(config());
        world.wake();
        world.answer(line, "");
        let status = world.status();
        assert_eq!((status.status, status.retry_in), (AccountStatus::Failed, None), "{line}");
        assert!(line.ends_with(&*status.reason) && line.starts_with(&status.sip_code.to_string()));
        assert_eq!(world.registration.next_deadline(), None, "{line}");
        assert!(!world.registration.is_bound());
    }
}

#[test]
fn a_redirection_is_followed_once() {
    let mut world = World::new(config());
    world.start();
    world.answer("302 Moved Temporarily", "Contact: <sip:198.51.100.5:5090>\r\n");
    assert_eq!(world.last().uri, "sip:198.51.100.5:5090");
    assert_eq!((&*world.last().hop.host, world.last().hop.port), ("198.51.100.5", 5090));
    assert_eq!(world.header(HeaderName::To), Some("<sip:alice@example.com>"));
    world.answer("302 Moved Temporarily", "Contact: <sip:198.51.100.6>\r\n");
    assert_eq!((world.status().status, world.status().retry_in), (AccountStatus::Failed, None));
    assert_eq!(world.sent.len(), 2);

    let mut world = World::new(config());
    world.start();
    world.answer("301 Moved", "");
    assert_eq!(world.status().status, AccountStatus::Failed);
}

#[test]
fn failures_that_pass_are_tried_again_with_doubling_jittered_waits() {
    let mut world = World::new(config());
    world.start();
    let mut waits = Vec::new();
    for round in 0..7 {
        match round {
            0 => world.answer("503 Service Unavailable", ""),
            1 => world.answer("408 Request Timeout", ""),
            2 => world.silence(NoResponse::Transport),
            3 => world.silence(NoResponse::Unresolved),
            _ => world.silence(NoResponse::Timeout),
        }
        assert_eq!(world.status().status, AccountStatus::Failed);
        let told = world.status().retry_in.unwrap();
        let waited = world.wake();
        assert_eq!(waited, told);
        assert_eq!(world.status().status, AccountStatus::Registering);
        waits.push(waited);
    }
    for (wait, step) in waits.iter().zip([4, 8, 16, 32, 64, 64, 64]) {
        let step = Duration::from_secs(step);
        assert!(*wait >= step / 2 && *wait <= step, "{waits:?}");
    }
    assert!(waits.iter().all(|w| w.subsec_nanos() != 0), "no jitter: {waits:?}");
    // A success starts the steps over.
    world.grant(300);
    world.wake();
    world.answer("500 Server Internal Error", "");
    assert!(world.status().retry_in.unwrap() <= Duration::from_secs(4));
}

#[test]
fn retry_after_is_honoured() {
    let mut world = World::new(config());
    world.start();
    world.answer("503 Service Unavailable", "Retry-After: 600 (maintenance);duration=60\r\n");
    assert_eq!(world.status().retry_in, Some(10 * MINUTE));
    assert_eq!(world.wake(), 10 * MINUTE);
    world.answer("480 Temporarily Unavailable", "Retry-After: 60\r\n");
    assert_eq!(world.status().retry_in, Some(MINUTE));
    world.wake();
    world.answer("503 Service Unavailable", "Retry-After: 99999999999999999999\r\n");
    assert_eq!(world.status().retry_in, Some(MAX_RETRY_AFTER));
    world.wake();
    world.answer("480 Temporarily Unavailable", "");
    assert_eq!(world.status().retry_in, None);
}

#[test]
fn the_address_that_the_registrar_saw_is_known() {
    let world = World::registered(config());
    assert_eq!(world.registration.observed_address(), Some("203.0.113.9:40001".parse().unwrap()));
    let observed = |via: &str| {
        let text = format!("SIP/2.0 200 OK\r\nVia: {via}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n\r\n");
        observed_in(&Message::parse(text.as_bytes()).unwrap()).map(|a| a.to_string())
    };
    let v4 = "SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1";
    assert_eq!(observed(&format!("{v4};rport=5062")).as_deref(), Some("192.0.2.7:5062"));
    assert_eq!(observed(&format!("{v4};rport")), None);
    assert_eq!(observed(&format!("{v4};received=203.0.113.9")), None);
    let v6 = "SIP/2.0/UDP [2001:db8::7];rport=9;received=2001:db8::8;branch=z9hG4bK1";
    assert_eq!(observed(v6).as_deref(), Some("[2001:db8::8]:9"));
}

#[test]
fn service_route_and_path_are_kept_as_long_as_the_binding() {
    let mut world = World::new(config());
    world.start();
    world.answer(
        "200 OK",
        &format!("Contact: <{CONTACT}>\r\nService-Route: <sip:a;lr>, <sip:b;lr>\r\nPath: <sip:p;lr>\r\n"),
    );
    assert_eq!(world.registration.service_route(), ["<sip:a;lr>".into(), "<sip:b;lr>".into()]);
    assert_eq!(world.registration.path(), ["<sip:p;lr>".into()]);
    world.wake();
    world.answer("403 Forbidden", "");
    assert!(world.registration.service_route().is_empty() && world.registration.path().is_empty());
}

#[test]
fn stopping_removes_the_binding() {
    let mut world = World::registered(config());
    world.stop(MINUTE);
    assert_eq!(world.status().status, AccountStatus::Deregistering);
    assert_eq!(contacts(world.last()), ["<sip:alice@192.0.2.7:5062>;expires=0"]);
    assert_eq!(world.header(HeaderName::Expires), Some("0"));
    world.challenge(401, "");
    assert_eq!(world.header(HeaderName::Expires), Some("0"));
    assert!(world.header(HeaderName::Authorization).is_some());
    world.answer("200 OK", "");
    assert_eq!(world.status().status, AccountStatus::Inactive);
    assert_eq!(world.registration.next_deadline(), None);
}

#[test]
fn stopping_ends_at_the_deadline_and_by_any_failure() {
    let mut world = World::registered(config());
    world.stop(Duration::from_secs(5));
    assert_eq!(world.wake(), Duration::from_secs(5));
    assert_eq!(world.status().status, AccountStatus::Inactive);
    assert_eq!(world.registration.next_deadline(), None);
    // The late response of the removal means nothing any more.
    let statuses = world.statuses.len();
    world.answer("200 OK", "");
    assert_eq!(world.statuses.len(), statuses);

    let mut world = World::registered(config());
    world.stop(MINUTE);
    world.silence(NoResponse::Timeout);
    assert_eq!(world.status().status, AccountStatus::Inactive);
    let mut world = World::registered(config());
    world.stop(MINUTE);
    world.answer("403 Forbidden", "");
    assert_eq!(world.status().status, AccountStatus::Inactive);
}

#[test]
fn stopping_waits_for_the_response_that_is_due_and_then_removes() {
    let mut world = World::new(config());
    world.start();
    world.stop(MINUTE);
    assert_eq!(world.sent.len(), 1, "RFC 3261 section 10.2: one at a time");
    world.grant(300);
    assert_eq!(world.sent.len(), 2);
    assert_eq!(world.header(HeaderName::Expires), Some("0"));
    assert!(world.statuses.iter().all(|s| s.status != AccountStatus::Registered));
    world.answer("200 OK", "");
    assert_eq!(world.status().status, AccountStatus::Inactive);
}

#[test]
fn stopping_what_never_was_is_done_at_once() {
    let mut world = World::new(config());
    world.stop(MINUTE);
    assert_eq!(world.status().status, AccountStatus::Inactive);
    assert!(world.sent.is_empty());
    world.start();
    world.answer("403 Forbidden", "");
    world.stop(MINUTE);
    assert_eq!(world.status().status, AccountStatus::Inactive);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn starting_while_leaving_registers_again_afterwards() {
    let mut world = World::registered(config());
    world.stop(MINUTE);
    world.start();
    world.answer("200 OK", "");
    assert_eq!(world.status().status, AccountStatus::Registering);
    assert_eq!(world.header(HeaderName::Expires), Some("300"));
    world.grant(300);
    assert_eq!(world.status().status, AccountStatus::Registered);
}

#[test]
fn a_new_contact_replaces_the_old_one_in_the_registrar() {
    let mut world = World::registered(config());
    world.registration.start(world.now, &mut world.rng, &mut world.pace, "sip:alice@192.0.2.8:5062");
    world.drain();
    let expected = ["<sip:alice@192.0.2.8:5062>;expires=300", "<sip:alice@192.0.2.7:5062>;expires=0"];
    assert_eq!(contacts(world.last()), expected);
    world.answer("200 OK", "Contact: <sip:alice@192.0.2.8:5062>;expires=300\r\n");
    world.wake();
    assert_eq!(contacts(world.last()), expected[..1]);
}

#[test]
fn provisional_foreign_and_late_responses_change_nothing() {
    let mut world = World::new(config());
    world.start();
    world.answer("100 Trying", "");
    assert_eq!(world.statuses.len(), 1);
    world.grant(300);
    world.answer("500 Server Internal Error", "");
    assert_eq!(world.status().status, AccountStatus::Registered);
    world.silence(NoResponse::Timeout);
    assert_eq!(world.statuses.len(), 2);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_other_ids() {
    let ids = |seed| {
        let registration = Registration::new(&config(), &mut SeededRng::new(seed));
        (registration.call_id.clone(), registration.from_tag.clone(), registration.cseq)
    };
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1), ids(2));
    assert!(ids(3).0.len() >= 20);
}
