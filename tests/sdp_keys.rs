//! Keys in offers and answers (RFC 4568): which line is taken, what is refused, what stays in a new offer.

use voip::proto::rtp::PayloadFormat;
use voip::proto::sdp::{
    accept_answer, answer, offer, Direction, Keying, LocalMedia, NegotiateError, SessionDescription, SrtpMode,
};
use voip::proto::srtp::{Crypto, Profile};
use voip::util::SeededRng;

const SUITES: [Profile; 2] = [Profile::AesCm128HmacSha1_80, Profile::AeadAes128Gcm];
const KEY_80: &str = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const KEY_GCM: &str = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubA==";

fn phone(mode: SrtpMode, seed: u64) -> LocalMedia {
    LocalMedia {
        address: "192.0.2.7:40000".parse().unwrap(),
        codecs: [PayloadFormat::new(0, "PCMU", 8000, 1)].into(),
        ptime_ms: 20,
        direction: Direction::SendRecv,
        session_id: 77,
        version: 1,
        keying: Keying::generate(mode, &SUITES, &mut SeededRng::new(seed)),
        ssrc: None,
        rtcp_mux: false,
    }
}

fn offered(lines: &str) -> SessionDescription {
    let head = "v=0\r\no=x 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
    SessionDescription::parse(format!("{head}{lines}").as_bytes()).unwrap()
}

fn stream(protocol: &str, crypto: &[&str]) -> SessionDescription {
    let lines: String = crypto.iter().map(|line| format!("a=crypto:{line}\r\n")).collect();
    offered(&format!("m=audio 5000 {protocol} 0\r\n{lines}"))
}

fn lines(description: &SessionDescription) -> Vec<Crypto> {
    let media = description.media.iter().find(|m| m.port != 0).unwrap();
    media.attribute_values("crypto").map(|line| Crypto::parse(line).unwrap()).collect()
}

#[test]
fn each_mode_offers_its_transport_and_a_key_for_each_suite() {
    let off = offer(&phone(SrtpMode::Off, 1), None);
    assert_eq!((&*off.media[0].protocol, lines(&off).len()), ("RTP/AVP", 0));
    for (mode, protocol) in [(SrtpMode::Optional, "RTP/AVP"), (SrtpMode::Mandatory, "RTP/SAVP")] {
        let offer = offer(&phone(mode, 1), None);
        let lines = lines(&offer);
        assert_eq!(&*offer.media[0].protocol, protocol);
        assert_eq!(lines.iter().map(|l| l.tag).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(lines.iter().filter_map(Crypto::profile).collect::<Vec<_>>(), SUITES);
        assert_ne!(lines[0].keys[0].key_and_salt[..16], lines[1].keys[0].key_and_salt[..16]);
    }
}

#[test]
fn two_sides_agree_on_one_key_for_each_direction_and_the_answer_echoes_the_tag() {
    for mode in [SrtpMode::Optional, SrtpMode::Mandatory] {
        let (alice, bob) = (phone(mode, 1), phone(mode, 2));
        let offer = offer(&alice, None);
        let (answer, bobs) = answer(&bob, &offer).unwrap();
        let alices = accept_answer(&alice, &offer, &answer).unwrap();
        let (alices, bobs) = (alices.keys.unwrap(), bobs.keys.unwrap());
        assert_eq!((&alices.send, &alices.receive), (&bobs.receive, &bobs.send));
        assert_ne!(alices.send, alices.receive);
        assert_eq!((lines(&answer).len(), lines(&answer)[0].tag), (1, 1));
        assert_eq!(answer.media[0].protocol, offer.media[0].protocol);
    }
}

#[test]
fn of_an_offer_the_first_line_that_we_can_use_is_taken() {
    let usable = format!("7 AEAD_AES_128_GCM {KEY_GCM}");
    let later = format!("8 AES_CM_128_HMAC_SHA1_80 {KEY_80}");
    for unusable in [
        "1 F8_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz".to_owned(),
        "2 AES_CM_128_HMAC_SHA1_80 inline:AAAA".to_owned(),
        format!("3 AES_CM_128_HMAC_SHA1_80 {KEY_80} UNENCRYPTED_SRTP"),
        format!("4 AES_CM_128_HMAC_SHA1_80 {KEY_80} KDR=3"),
        format!("5 AES_CM_128_HMAC_SHA1_80 {KEY_80} NEW_THING=1"),
        format!("6 AES_CM_128_HMAC_SHA1_80 {KEY_80}|2^20|1:4;{KEY_80}|2^20|2:4"),
        "no crypto line at all".to_owned(),
    ] {
        let offer = stream("RTP/SAVP", &[&unusable, &usable, &later]);
        let (answer, outcome) = answer(&phone(SrtpMode::Optional, 1), &offer).unwrap();
        assert_eq!(lines(&answer)[0].tag, 7, "{unusable}");
        assert_eq!(outcome.keys.unwrap().receive.profile(), Profile::AeadAes128Gcm);
    }
    let harmless = format!("9 AES_CM_128_HMAC_SHA1_80 {KEY_80}|2^31 WSH=64 -UNKNOWN KDR=0");
    let (answer, _) =
        answer(&phone(SrtpMode::Optional, 1), &stream("RTP/SAVPF", &[&harmless, &usable])).unwrap();
    assert_eq!((lines(&answer)[0].tag, &*answer.media[0].protocol), (9, "RTP/SAVPF"));
}

#[test]
fn what_is_not_as_secure_as_wanted_is_refused() {
    let line = format!("1 AES_CM_128_HMAC_SHA1_80 {KEY_80}");
    let strange = "1 F8_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    use SrtpMode::*;
    // Mode, transport, line; is the call taken, is it secure?
    let rows: [(SrtpMode, &str, &[&str], Option<bool>); 11] = [
        (Off, "RTP/SAVP", &[&line], None),
        (Off, "RTP/AVP", &[&line], Some(false)),
        (Optional, "RTP/SAVP", &[&line], Some(true)),
        (Optional, "RTP/AVP", &[&line], Some(true)),
        (Optional, "RTP/AVP", &[], Some(false)),
        (Optional, "RTP/AVP", &[strange], Some(false)),
        (Optional, "RTP/SAVP", &[], None),
        (Optional, "RTP/SAVP", &[strange], None),
        (Mandatory, "RTP/SAVP", &[&line], Some(true)),
        (Mandatory, "RTP/AVP", &[&line], Some(true)),
        (Mandatory, "RTP/AVP", &[], None),
    ];
    for (mode, protocol, crypto, expected) in rows {
        let outcome = answer(&phone(mode, 1), &stream(protocol, crypto));
        let what = format!("{mode:?} {protocol} {crypto:?}");
        match expected {
            None => assert_eq!(outcome.unwrap_err(), NegotiateError::NoSecurity, "{what}"),
            Some(secure) => {
                let (answer, outcome) = outcome.unwrap();
                assert_eq!(outcome.keys.is_some(), secure, "{what}");
                assert_eq!(lines(&answer).len(), usize::from(secure), "{what}");
            }
        }
    }
}

#[test]
fn of_a_plain_and_a_secure_stream_the_secure_one_is_taken() {
    let both = format!(
        "m=audio 5000 RTP/AVP 0\r\nm=audio 5002 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY_80}\r\n"
    );
    for (mode, index) in [(SrtpMode::Off, 0), (SrtpMode::Optional, 1), (SrtpMode::Mandatory, 1)] {
        let (answer, outcome) = answer(&phone(mode, 1), &offered(&both)).unwrap();
        assert_eq!(outcome.media_index, index, "{mode:?}");
        assert_eq!(answer.media[1 - index].port, 0);
    }
}

#[test]
fn an_answer_has_to_fit_the_keys_offered() {
    let good = format!("1 AES_CM_128_HMAC_SHA1_80 {KEY_80}");
    let wrong_tag = format!("2 AES_CM_128_HMAC_SHA1_80 {KEY_80}");
    let unknown_tag = format!("5 AES_CM_128_HMAC_SHA1_80 {KEY_80}");
    use NegotiateError::*;
    use SrtpMode::*;
    type Row<'a> = (SrtpMode, &'a str, &'a [&'a str], Result<bool, NegotiateError>);
    let rows: [Row<'_>; 12] = [
        (Off, "RTP/AVP", &[], Ok(false)),
        (Off, "RTP/AVP", &[&good], Ok(false)),
        (Off, "RTP/SAVP", &[&good], Err(BadAnswer)),
        (Optional, "RTP/AVP", &[], Ok(false)),
        (Optional, "RTP/AVP", &[&good], Ok(true)),
        (Optional, "RTP/SAVP", &[&good], Ok(true)),
        (Optional, "RTP/AVP", &[&wrong_tag], Err(BadAnswer)),
        (Mandatory, "RTP/SAVP", &[&good], Ok(true)),
        (Mandatory, "RTP/SAVP", &[&unknown_tag], Err(BadAnswer)),
        (Mandatory, "RTP/SAVP", &[], Err(BadAnswer)),
        (Mandatory, "RTP/AVP", &[], Err(NoSecurity)),
        (Mandatory, "UDP/TLS/RTP/SAVP", &[&good], Err(BadAnswer)),
    ];
    for (mode, protocol, crypto, expected) in rows {
        let us = phone(mode, 1);
        let outcome = accept_answer(&us, &offer(&us, None), &stream(protocol, crypto));
        assert_eq!(outcome.map(|o| o.keys.is_some()), expected, "{mode:?} {protocol} {crypto:?}");
    }
}

#[test]
fn a_new_offer_keeps_transport_suite_tag_and_key_of_what_holds() {
    let us = phone(SrtpMode::Optional, 1);
    let crypto = format!("3 AEAD_AES_128_GCM {KEY_GCM}");
    let (ours, outcome) = answer(&us, &stream("RTP/SAVP", &[&crypto])).unwrap();
    let again = offer(&us, Some(&ours));
    assert_eq!(&*again.media[0].protocol, "RTP/SAVP");
    let line = &lines(&again)[0];
    assert_eq!((lines(&again).len(), line.tag), (1, 3));
    assert_eq!(line.master_key().unwrap(), outcome.keys.unwrap().send);
    assert_eq!(again.origin.version, ours.origin.version, "a refresh is no change");

    let (plain, _) = answer(&us, &stream("RTP/AVP", &[])).unwrap();
    assert!(lines(&offer(&us, Some(&plain))).is_empty(), "a plain call is not made secure by holding it");
}
