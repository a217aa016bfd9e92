//! Unit tests of digest authentication.

use super::*;
use crate::proto::sip::{HeaderName, Message, Method};
use crate::util::SeededRng;
use zeroize::Zeroizing;

fn alice() -> Credentials {
    Credentials {
        realm: None,
        user: "alice".into(),
        secret: Secret::Password(Zeroizing::new("zanzibar".into())),
    }
}

fn response(status: u16, lines: &[&str]) -> Message {
    let mut text = format!("SIP/2.0 {status} X\r\nCSeq: 1 REGISTER\r\n");
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    Message::parse(format!("{text}\r\n").as_bytes()).unwrap()
}

/// A REGISTER as it is sent with these authorization values.
fn request(values: &[(bool, String)]) -> Message {
    let mut builder = crate::proto::sip::RequestBuilder::new(&Method::Register, "sip:a.example");
    for (proxy, value) in values {
        let name = if *proxy { HeaderName::ProxyAuthorization } else { HeaderName::Authorization };
        builder = builder.header(name, value);
    }
    Message::parse(&builder.build().unwrap()).unwrap()
}

fn authorize(session: &mut Session, who: &[Credentials]) -> Vec<(bool, String)> {
    session.authorize(&mut SeededRng::new(7), &Method::Register, "sip:a.example", b"", who)
}

fn param(value: &str, name: &str) -> Option<String> {
    let (_, params) = value.split_once(' ')?;
    crate::proto::sip::text::List::new(params)
        .filter_map(challenge::auth_param)
        .find(|(n, _)| *n == name)
        .map(|(_, v)| v)
}

#[test]
fn the_nonce_count_goes_up_while_the_nonce_stays() {
    let mut session = Session::new();
    let challenge =
        response(401, &[r#"WWW-Authenticate: Digest realm="r", nonce="n1", qop="auth", opaque="o\"p""#]);
    session.challenged(&challenge, &request(&[]), &[alice()]).unwrap();
    for count in 1..=3 {
        let values = authorize(&mut session, &[alice()]);
        assert_eq!(values.len(), 1);
        assert!(!values[0].0, "a 401 is answered with Authorization");
        assert_eq!(param(&values[0].1, "nc"), Some(format!("{count:08x}")));
        assert_eq!(param(&values[0].1, "opaque").as_deref(), Some("o\"p"));
        assert!(values[0].1.contains(r#"opaque="o\"p""#), "{}", values[0].1);
    }
    let next = response(200, &["Authentication-Info: qop=auth, nextnonce=\"n2\""]);
    session.succeeded(&next);
    let values = authorize(&mut session, &[alice()]);
    assert_eq!(param(&values[0].1, "nonce").as_deref(), Some("n2"));
    assert_eq!(param(&values[0].1, "nc").as_deref(), Some("00000001"));
}

#[test]
fn the_value_can_be_recomputed_by_the_server() {
    for algorithm in Algorithm::ALL {
        for qop in [None, Some(Qop::Auth), Some(Qop::AuthInt)] {
            let offered = qop.map_or(String::new(), |q| format!(", qop=\"{}\"", q.as_str()));
            let line = format!(
                "WWW-Authenticate: Digest realm=\"a b\",nonce=\"n\"{offered}, algorithm={}",
                algorithm.as_str()
            );
            let mut session = Session::new();
            session.challenged(&response(401, &[&line]), &request(&[]), &[alice()]).unwrap();
            let body = b"v=0\r\n";
            let mut rng = SeededRng::new(3);
            let values = session.authorize(&mut rng, &Method::Invite, "sip:b@c", body, &[alice()]);
            let value = &values[0].1;
            let cnonce = param(value, "cnonce").unwrap_or_default();
            let expected = digest_response(
                algorithm, "alice", "a b", "zanzibar", "INVITE", "sip:b@c", "n", qop, 1, &cnonce, body,
            );
            assert_eq!(param(value, "response"), Some(expected), "{value}");
            assert_eq!(param(value, "qop").as_deref(), qop.map(Qop::as_str));
        }
    }
}

#[test]
fn the_strongest_algorithm_of_a_realm_that_we_have_credentials_for_is_taken() {
    let lines = [
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"1\", algorithm=MD5, qop=\"auth\"",
        "WWW-Authenticate: Basic realm=\"r\"",
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"2\", algorithm=SHA-512-256, qop=\"auth\"",
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"3\", algorithm=SHA-256, qop=\"auth\"",
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"4\", algorithm=SHA3-512, qop=\"auth\"",
    ];
    let response = response(401, &lines);
    let order: Vec<_> = Challenge::all_of(&response).iter().map(|c| c.nonce.to_string()).collect();
    assert_eq!(order, ["2", "3", "1"]);

    let mut session = Session::new();
    session.challenged(&response, &request(&[]), &[alice()]).unwrap();
    assert_eq!(param(&authorize(&mut session, &[alice()])[0].1, "nonce").as_deref(), Some("2"));

    let ha1 = ha1(Algorithm::Md5, "alice", "r", "zanzibar");
    let stored = Credentials { secret: Secret::Ha1 { algorithm: Algorithm::Md5, hex: ha1 }, ..alice() };
    let mut session = Session::new();
    session.challenged(&response, &request(&[]), std::slice::from_ref(&stored)).unwrap();
    let values = authorize(&mut session, &[stored]);
    assert_eq!(param(&values[0].1, "nonce").as_deref(), Some("1"));
    let cnonce = param(&values[0].1, "cnonce").unwrap();
    let expected = digest_response(
        Algorithm::Md5,
        "alice",
        "r",
        "zanzibar",
        "REGISTER",
        "sip:a.example",
        "1",
        Some(Qop::Auth),
        1,
        &cnonce,
        b"",
    );
    assert_eq!(param(&values[0].1, "response"), Some(expected));
}

#[test]
fn each_realm_gets_its_own_credentials_and_its_own_header() {
    let lines = [
        "Proxy-Authenticate: Digest realm=\"proxy\", nonce=\"p\", Digest realm=\"other\", nonce=\"o\"",
        "WWW-Authenticate: Digest realm=\"server\", nonce=\"s\"",
    ];
    let of = |realm: &str| Credentials { realm: Some(realm.into()), user: realm.into(), ..alice() };
    let who = [of("server"), of("proxy")];
    let mut session = Session::new();
    session.challenged(&response(407, &lines), &request(&[]), &who).unwrap();
    let mut users: Vec<_> =
        authorize(&mut session, &who).into_iter().map(|(p, v)| (p, param(&v, "username").unwrap())).collect();
    users.sort();
    assert_eq!(users, [(false, "server".to_owned()), (true, "proxy".to_owned())]);
}

#[test]
fn a_second_challenge_is_a_refusal_unless_the_nonce_was_stale() {
    let fresh = response(401, &["WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", qop=\"auth\""]);
    let again = response(401, &["WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\", qop=\"auth\""]);
    let stale =
        response(401, &["WWW-Authenticate: Digest realm=\"r\", nonce=\"n3\", stale=TRUE, qop=\"auth\""]);
    let mut session = Session::new();
    session.challenged(&fresh, &request(&[]), &[alice()]).unwrap();
    let sent = request(&authorize(&mut session, &[alice()]));
    assert_eq!(session.challenged(&again, &sent, &[alice()]), Err(AuthError::Refused));
    assert_eq!(session.challenged(&stale, &sent, &[alice()]), Ok(()));
    assert_eq!(param(&authorize(&mut session, &[alice()])[0].1, "nonce").as_deref(), Some("n3"));
}

#[test]
fn a_nonce_that_worked_and_was_forgotten_by_the_server_is_replaced_once() {
    let first = response(401, &["WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", qop=\"auth\""]);
    let second = response(401, &["WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\", qop=\"auth\""]);
    let third = response(401, &["WWW-Authenticate: Digest realm=\"r\", nonce=\"n3\", qop=\"auth\""]);
    let mut session = Session::new();
    session.challenged(&first, &request(&[]), &[alice()]).unwrap();
    authorize(&mut session, &[alice()]);
    let refresh = request(&authorize(&mut session, &[alice()]));
    assert_eq!(session.challenged(&second, &refresh, &[alice()]), Ok(()));
    let retry = request(&authorize(&mut session, &[alice()]));
    assert_eq!(session.challenged(&third, &retry, &[alice()]), Err(AuthError::Refused));
}

#[test]
fn what_cannot_be_answered_is_said() {
    let mut session = Session::new();
    let basic = response(401, &["WWW-Authenticate: Basic realm=\"r\""]);
    assert_eq!(session.challenged(&basic, &request(&[]), &[alice()]), Err(AuthError::NoUsableChallenge));
    let unknown_qop = response(401, &["WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"token\""]);
    assert_eq!(
        session.challenged(&unknown_qop, &request(&[]), &[alice()]),
        Err(AuthError::NoUsableChallenge)
    );
    let digest = response(401, &["WWW-Authenticate: Digest realm=\"r\", nonce=\"n\""]);
    let elsewhere = Credentials { realm: Some("x".into()), ..alice() };
    assert_eq!(session.challenged(&digest, &request(&[]), &[elsewhere]), Err(AuthError::NoCredentials));
    assert_eq!(session.challenged(&digest, &request(&[]), &[]), Err(AuthError::NoCredentials));
    assert!(Challenge::parse("Digest realm=\"open, nonce=\"x\"", false).is_err());
}

#[test]
fn secrets_stay_out_of_debug() {
    let ha1 = Credentials {
        secret: Secret::Ha1 { algorithm: Algorithm::Md5, hex: Zeroizing::new("c0ffee".into()) },
        ..alice()
    };
    for credentials in [alice(), ha1] {
        let text = format!("{credentials:?}");
        assert!(text.contains("alice") && !text.contains("zanzibar") && !text.contains("c0ffee"), "{text}");
    }
}

#[test]
fn the_realms_remembered_are_bounded() {
    let mut session = Session::new();
    for i in 0..100 {
        let line = format!("WWW-Authenticate: Digest realm=\"r{i}\", nonce=\"n\"");
        session.challenged(&response(401, &[&line]), &request(&[]), &[alice()]).unwrap();
    }
    assert!(authorize(&mut session, &[alice()]).len() <= 16);
}

#[test]
fn a_challenge_with_a_refused_algorithm_is_not_answered() {
    let algorithms = Algorithms::NONE.with(Algorithm::Sha256);
    let password = Zeroizing::new("zanzibar".into());
    let strict = [Credentials { secret: Secret::PasswordFor { algorithms, password }, ..alice() }];
    let md5 = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=MD5, qop=\"auth\"";
    let sha = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256-sess, qop=\"auth\"";
    let longer = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256, qop=\"auth\"";
    let mut session = Session::new();
    let refused = session.challenged(&response(401, &[md5, longer]), &request(&[]), &strict);
    assert_eq!(refused, Err(AuthError::NoCredentials));
    let mut rng = SeededRng::new(1);
    assert!(session.authorize(&mut rng, &Method::Register, "sip:a.example", b"", &strict).is_empty());
    session.challenged(&response(401, &[longer, md5, sha]), &request(&[]), &strict).unwrap();
    let answers = session.authorize(&mut rng, &Method::Register, "sip:a.example", b"", &strict);
    assert_eq!(answers.len(), 1);
    assert!(answers[0].1.contains("algorithm=SHA-256-sess"), "{answers:?}");
}
