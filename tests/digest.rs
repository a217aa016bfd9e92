//! Digest responses against the published and derived rows of the vectors (RFC 2617, 7616, 8760).

mod support;

use support::Json;
use voip::proto::sip::auth::{digest_response, ha1, user_hash, Algorithm, Qop};

fn text<'a>(case: &'a Json, name: &str) -> &'a str {
    case.get(name).text().unwrap_or("")
}

fn check(case: &Json) {
    let id = case.id();
    let algorithm =
        Algorithm::from_token(text(case, "algorithm")).unwrap_or_else(|| panic!("{id}: algorithm"));
    let qop = match case.get("qop").text() {
        Some("auth") => Some(Qop::Auth),
        Some("auth-int") => Some(Qop::AuthInt),
        Some(other) => panic!("{id}: qop {other}"),
        None => None,
    };
    let nc = u32::from_str_radix(case.get("nc").text().unwrap_or("0"), 16).expect("nc");
    let (user, realm, password) = (text(case, "username"), text(case, "realm"), text(case, "password"));
    let response = digest_response(
        algorithm,
        user,
        realm,
        password,
        text(case, "method"),
        text(case, "uri"),
        text(case, "nonce"),
        qop,
        nc,
        text(case, "cnonce"),
        text(case, "body").as_bytes(),
    );
    assert_eq!(response, text(case, "expected_response"), "{id}");
    if algorithm == algorithm.base() {
        assert_eq!(ha1(algorithm, user, realm, password).as_str(), text(case, "expected_ha1"), "{id}");
    }
    if let Some(expected) = case.get("userhash").text() {
        assert_eq!(user_hash(algorithm, user, realm), expected, "{id}");
    }
}

#[test]
fn the_rfcs_examples_come_out() {
    let cases = support::cases(&support::data("digest"));
    assert_eq!(cases.len(), 14);
    cases.iter().for_each(check);
    println!("digest: {} cases of the RFCs", cases.len());
}

#[test]
fn every_shared_row_comes_out() {
    let Some(vectors) = support::vectors() else {
        println!("digest: no shared vectors here, 0 cases");
        return;
    };
    let cases = support::cases(&vectors.join("02_digest"));
    assert!(cases.len() >= 50, "only {} rows", cases.len());
    cases.iter().for_each(check);
    println!("digest: {} shared cases", cases.len());
}
