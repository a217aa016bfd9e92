//! SRTP in calls as the agent negotiates it: two agents back to back, and one against a script.

mod agents;

use agents::*;
use voip::proto::sdp::{Direction, SessionDescription, SrtpMode};
use voip::proto::sip::Method;
use voip::proto::srtp::{Crypto, MasterKey, Profile};
use voip::ua::*;
use voip::util::Duration;

const KEY: &str = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const OTHER_KEY: &str = "inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

fn bench(mode: SrtpMode) -> Bench {
    Bench::with(2, |config| config.srtp = mode)
}

fn last(bench: &Bench, party: usize) -> StreamConfig {
    bench.parties[party].streams().last().expect("a stream").clone()
}

/// Both sides have the same pair of keys, crosswise; the key that the first one sends with.
fn agreed(bench: &Bench) -> MasterKey {
    let (a, b) = (last(bench, 0).srtp.expect("keys"), last(bench, 1).srtp.expect("keys"));
    assert_eq!((&a.send, &a.receive), (&b.receive, &b.send));
    assert_ne!(a.send, a.receive);
    a.send
}

fn told(party: &Party) -> Option<Option<Profile>> {
    party.events.iter().rev().find_map(|e| match e {
        Event::CallMedia { srtp, .. } => Some(*srtp),
        _ => None,
    })
}

fn sdp(protocol: &str, crypto: Option<&str>) -> String {
    let line = crypto.map(|c| format!("a=crypto:{c}\r\n")).unwrap_or_default();
    format!(
        "v=0\r\no=- 7 1 IN IP4 192.0.2.99\r\ns=-\r\nc=IN IP4 192.0.2.99\r\nt=0 0\r\n\
         m=audio 40000 {protocol} 0\r\n{line}"
    )
}

fn invite(script: &mut Script, sdp: &str) -> Vec<u8> {
    script.start(Method::Invite).body("application/sdp", sdp.as_bytes()).build().unwrap()
}

fn crypto_of(message: &voip::proto::sip::Message) -> Vec<Crypto> {
    let description = SessionDescription::parse(message.body()).expect("SDP");
    description.media[0].attribute_values("crypto").map(|c| Crypto::parse(c).unwrap()).collect()
}

#[test]
fn agents_that_insist_and_agents_that_would_like_it_agree_on_keys() {
    use SrtpMode::*;
    for (a, b) in [(Mandatory, Mandatory), (Optional, Optional), (Mandatory, Optional), (Optional, Mandatory)]
    {
        let mut bench = bench(b);
        let options = DialOptions { srtp: Some(a), ..DialOptions::default() };
        bench.dial_with(0, "sip:bob@192.0.2.2", options);
        let call = bench.parties[1].incoming();
        bench.command(1, Command::Answer { call });
        assert_eq!(agreed(&bench).profile(), Profile::AesCm128HmacSha1_80, "{a:?} {b:?}");
        for party in &bench.parties {
            assert_eq!(told(party), Some(Some(Profile::AesCm128HmacSha1_80)));
        }
    }
}

#[test]
fn a_plain_phone_is_refused_by_who_insists_and_taken_by_who_does_not() {
    use SrtpMode::*;
    // Caller, callee, is there a call?
    for (a, b, works) in [
        (Off, Mandatory, false),
        (Mandatory, Off, false),
        (Off, Optional, true),
        (Optional, Off, true),
        (Off, Off, true),
    ] {
        let mut bench = bench(b);
        let options = DialOptions { srtp: Some(a), ..DialOptions::default() };
        bench.dial_with(0, "sip:bob@192.0.2.2", options);
        let incoming = bench.parties[1].try_incoming();
        assert_eq!(incoming.is_some(), works, "{a:?} to {b:?}");
        match incoming {
            None => assert_eq!(bench.parties[0].end(), (EndCause::NoCodec, EndedBy::Remote, 488)),
            Some(call) => {
                bench.command(1, Command::Answer { call });
                assert_eq!((last(&bench, 0).srtp, last(&bench, 1).srtp), (None, None));
                assert_eq!(told(&bench.parties[0]), Some(None));
            }
        }
    }
}

#[test]
fn hold_and_resume_keep_the_keys() {
    let mut bench = bench(SrtpMode::Mandatory);
    let (a, b) = bench.talk();
    let key = agreed(&bench);
    for (party, command) in [
        (0, Command::Hold { call: a }),
        (0, Command::Resume { call: a }),
        (1, Command::Hold { call: b }),
        (1, Command::Resume { call: b }),
    ] {
        bench.command(party, command);
        assert_eq!(agreed(&bench), key);
    }
    assert_eq!(last(&bench, 0).direction, Direction::SendRecv);
    assert!(bench.parties[0].streams().len() >= 5, "each change was configured");
}

#[test]
fn an_offer_in_the_200_and_its_answer_in_the_ack_carry_keys_too() {
    let mut bench = bench(SrtpMode::Optional);
    let options = DialOptions { delayed_offer: true, ..DialOptions::default() };
    bench.dial_with(0, "sip:bob@192.0.2.2", options);
    let call = bench.parties[1].incoming();
    bench.command(1, Command::Answer { call });
    agreed(&bench);
    bench.pass(Duration::from_secs(60));
    assert!(bench.parties[1].ends().is_empty());
}

#[test]
fn an_answer_that_drops_the_security_ends_a_call_that_insists_on_it() {
    let mut bench = Bench::with(1, |config| config.srtp = SrtpMode::Mandatory);
    bench.dial(0, &format!("sip:bob@{SCRIPT}"));
    let invite = bench.next_request(Method::Invite);
    assert_eq!(crypto_of(&invite).len(), 2);
    bench.respond(&invite, 200, "their", Some(&sdp("RTP/AVP", None)));
    bench.next_request(Method::Ack);
    let bye = bench.next_request(Method::Bye);
    bench.respond(&bye, 200, "their", None);
    assert_eq!(bench.parties[0].end().0, EndCause::NoCodec);
    assert!(bench.parties[0].streams().is_empty(), "no media flowed");
}

#[test]
fn the_peers_new_key_is_taken_and_ours_stays() {
    let mut bench = Bench::with(1, |config| config.srtp = SrtpMode::Optional);
    let mut script = Script::new();
    let suite = "AES_CM_128_HMAC_SHA1_80";
    bench.inject(&invite(&mut script, &sdp("RTP/SAVP", Some(&format!("4 {suite} {KEY}")))));
    let call = bench.parties[0].incoming();
    bench.command(0, Command::Answer { call });
    bench.next_status();
    let ok = bench.next_response();
    assert_eq!(crypto_of(&ok)[0].tag, 4);
    script.learn(&ok);
    bench.inject(&script.start(Method::Ack).build().unwrap());
    let before = last(&bench, 0).srtp.unwrap();
    assert_eq!(before.send, crypto_of(&ok)[0].master_key().unwrap());

    script.cseq += 1;
    bench.inject(&invite(&mut script, &sdp("RTP/SAVP", Some(&format!("1 {suite} {OTHER_KEY}")))));
    let ok = bench.next_response();
    bench.inject(&script.start(Method::Ack).build().unwrap());
    let after = last(&bench, 0).srtp.unwrap();
    assert_eq!(after.send, before.send);
    assert_ne!(after.receive, before.receive);
    assert_eq!((crypto_of(&ok)[0].tag, crypto_of(&ok)[0].master_key().unwrap()), (1, before.send));
}

#[test]
fn a_key_that_was_given_up_for_plain_rtp_never_comes_back() {
    let mut bench = Bench::with(1, |config| config.srtp = SrtpMode::Optional);
    let mut script = Script::new();
    let secure = sdp("RTP/AVP", Some(&format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}")));
    let mut keys = Vec::new();
    for (n, body) in [secure.clone(), sdp("RTP/AVP", None), secure].iter().enumerate() {
        bench.inject(&invite(&mut script, body));
        if n == 0 {
            let call = bench.parties[0].incoming();
            bench.command(0, Command::Answer { call });
            bench.next_status();
        }
        let ok = bench.next_response();
        assert_eq!(ok.status(), 200);
        script.learn(&ok);
        bench.inject(&script.start(Method::Ack).build().unwrap());
        script.cseq += 1;
        keys.push(last(&bench, 0).srtp.map(|keys| keys.send));
    }
    assert!(keys[0].is_some() && keys[1].is_none() && keys[2].is_some());
    assert_ne!(keys[0], keys[2]);
}

#[test]
fn a_phone_that_insists_refuses_a_plain_reinvite_and_goes_on_as_before() {
    let mut bench = Bench::with(1, |config| config.srtp = SrtpMode::Mandatory);
    let mut script = Script::new();
    bench.inject(&invite(&mut script, &sdp("RTP/SAVP", Some(&format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}")))));
    let call = bench.parties[0].incoming();
    bench.command(0, Command::Answer { call });
    bench.next_status();
    let ok = bench.next_response();
    script.learn(&ok);
    bench.inject(&script.start(Method::Ack).build().unwrap());
    script.cseq += 1;
    bench.inject(&invite(&mut script, &sdp("RTP/AVP", None)));
    assert_eq!(bench.next_response().status(), 488);
    assert!(last(&bench, 0).srtp.is_some());
    assert!(bench.parties[0].ends().is_empty());
}

#[test]
fn an_account_says_it_for_its_own_calls() {
    let mut bench = bench(SrtpMode::Off);
    let account = AccountId(1);
    let config = AccountConfig {
        server: "192.0.2.2".into(),
        port: 0,
        transport: voip::proto::sip::Transport::Udp,
        user: "alice".into(),
        display_name: None,
        credentials: Vec::new(),
        register: false,
        expires: 300,
        outbound_proxy: None,
        retry_min: Duration::from_secs(1),
        retry_max: Duration::from_secs(10),
        srtp: Some(SrtpMode::Mandatory),
    };
    bench.command(0, Command::AddAccount { account, config });
    let call = CallId(CallId::OUTGOING | 50);
    let options = DialOptions::default();
    bench.command(
        0,
        Command::Dial { call, account: Some(account), target: "sip:bob@192.0.2.2".into(), options },
    );
    let end = bench.parties[0].end();
    assert_eq!(end, (EndCause::NoCodec, EndedBy::Remote, 488), "the other phone has none");
    bench.dial(1, "sip:alice@192.0.2.1");
    assert_eq!(bench.parties[1].end().2, 488, "nor is its plain call taken");
}
