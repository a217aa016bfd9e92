//! Messages of the RFCs' call flows, of real phones and of other projects, and mutations of them all.

mod support;

use std::path::Path;
use support::Json;
use voip::proto::sip::auth::Challenge;
use voip::proto::sip::{HeaderName, Message, NameAddr, ResponseBuilder, Uri, Via};
use voip::util::{Rng, SeededRng};

/// Asks a message everything that it can be asked.
fn ask_all(message: &Message) {
    let _ = (message.validate(), message.request_uri(), message.from(), message.to(), message.top_via());
    let _ = (message.from_tag(), message.to_tag(), message.branch(), message.expires(), message.contacts());
    let _ = (message.reason(), message.call_id(), message.cseq(), message.body(), format!("{message:?}"));
    for (name, text, value) in message.all_headers() {
        assert!(message.header_named(text, 0).is_some(), "{text}");
        assert!(!value.contains(['\r', '\n']), "{value:?}");
        for value in message.values(name) {
            let _ = (NameAddr::parse(value).map(|n| n.to_string()), Via::parse(value).map(|v| v.to_string()));
            let _ = Uri::parse(value).map(|u| u.to_string());
        }
    }
    let _ = Challenge::all_of(message);
    let source = "[2001:db8::1]:5060".parse().expect("address");
    let response = ResponseBuilder::new(message, 400, None, source).to_tag("t").copy_record_route().build();
    let response = response.unwrap_or_else(|e| panic!("no response: {e}"));
    let read = Message::parse(&response).unwrap_or_else(|e| panic!("{e} in our own response"));
    assert_eq!((read.status(), read.header(HeaderName::CSeq)), (400, message.header(HeaderName::CSeq)));
}

fn feed(bytes: &[u8]) {
    if let Ok(message) = Message::parse(bytes) {
        ask_all(&message);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = (Uri::parse(text), NameAddr::parse(text), Via::parse(text), Challenge::parse(text, false));
    }
}

/// Holds a message against what the case says is in it.
fn check_described(id: &str, said: &Json, message: &Message) {
    let same = |name: &str, found: Option<&str>| {
        if let Some(expected) = said.get(name).text() {
            assert_eq!(found, Some(expected), "{id}: {name}");
        }
    };
    let cseq = format!("{} {}", message.cseq(), message.method());
    same("cseq", Some(&cseq));
    same("call_id", Some(message.call_id()));
    same("from_tag", message.from_tag());
    same("to_tag", message.to_tag());
    if message.is_request() {
        same("method", Some(message.method().as_str()));
        same("request_uri", Some(message.request_uri_text()));
    }
    if let Some(count) = said.get("via_count").number() {
        assert_eq!(message.values(HeaderName::Via).count(), count as usize, "{id}: Via");
    }
    if let Some(status) = said.get("status").number() {
        assert_eq!(f64::from(message.status()), status, "{id}: status");
    }
    for name in said.get("header_names").list().iter().filter_map(Json::text) {
        assert!(message.header_named(name, 0).is_some(), "{id}: {name}");
    }
}

#[test]
fn the_call_flows_of_the_rfcs_are_read_as_they_are_written() {
    let Some(vectors) = support::vectors() else { return println!("rfc_flows: no vectors, 0 cases") };
    let folder = vectors.join("01_sip/rfc_flows");
    let cases = support::cases(&folder);
    for case in &cases {
        let message = Message::parse(&case.file(&folder)).unwrap_or_else(|e| panic!("{}: {e}", case.id()));
        check_described(case.id(), case, &message);
        ask_all(&message);
    }
    println!("rfc_flows: {} cases", cases.len());
    assert!(cases.len() >= 200);
}

#[test]
fn what_phones_and_trunks_really_send_is_accepted() {
    let Some(vectors) = support::vectors() else { return println!("realworld: no vectors, 0 cases") };
    for family in ["realworld", "repo_messages"] {
        let folder = vectors.join("01_sip").join(family);
        let cases = support::cases(&folder);
        let mut read = 0;
        for case in &cases {
            let bytes = case.file(&folder);
            feed(&bytes);
            let must = case.get("parse").text() == Some("must_accept");
            match Message::parse(&bytes) {
                Ok(message) if must => {
                    read += 1;
                    check_described(case.id(), case.get("described"), &message);
                    let by_agent = message.validate();
                    assert!(by_agent.is_ok() || family != "realworld", "{}: {by_agent:?}", case.id());
                }
                Ok(_) => read += 1,
                Err(e) => assert!(!must, "{}: {e}", case.id()),
            }
        }
        println!("{family}: {} cases, {read} read", cases.len());
        assert!(read > 0);
    }
}

/// Payloads of UDP over Ethernet in a classic capture; other files give nothing.
fn datagrams(capture: &[u8]) -> Vec<&[u8]> {
    let word =
        |at: usize| capture.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let mut found = Vec::new();
    if word(0) != Some(0xa1b2_c3d4) {
        return found;
    }
    let mut at = 24;
    while let Some(len) = word(at + 8) {
        let Some(packet) = capture.get(at + 16..at + 16 + len) else { break };
        found.extend(packet.get(42..));
        at += 16 + len;
    }
    found
}

fn corpus(vectors: &Path) -> Vec<Vec<u8>> {
    let mut corpus = Vec::new();
    for family in ["rfc4475", "rfc5118", "rfc_flows", "realworld", "repo_messages", "fuzz"] {
        let folder = vectors.join("01_sip").join(family);
        corpus.extend(support::cases(&folder).iter().map(|case| case.file(&folder)));
    }
    corpus
}

#[test]
fn captures_and_fuzz_seeds_do_no_harm() {
    let Some(vectors) = support::vectors() else { return println!("pcap: no vectors, 0 cases") };
    let folder = vectors.join("01_sip/pcap");
    let (mut packets, mut messages) = (0, 0);
    for case in support::cases(&folder) {
        let capture = case.file(&folder);
        for payload in datagrams(&capture) {
            packets += 1;
            messages += usize::from(Message::parse(payload).is_ok());
            feed(payload);
        }
    }
    let seeds = corpus(&vectors);
    seeds.iter().for_each(|seed| feed(seed));
    println!("pcap: {packets} packets, {messages} messages; {} seeds", seeds.len());
    assert!(messages > 0);
}

/// Our own messages, so that mutations run without the shared vectors too.
fn own_corpus() -> Vec<Vec<u8>> {
    let mut corpus = Vec::new();
    for family in ["rfc4475", "rfc5118"] {
        let folder = support::data(family);
        corpus.extend(support::cases(&folder).iter().map(|case| case.file(&folder)));
    }
    corpus.push(
        b"SIP/2.0 401 No\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest realm=\"a\\\"b\", nonce=\"n\", qop=\"auth,auth-int\",\
          algorithm=SHA-256, stale=true, opaque=\"\"\r\n\r\n"
            .to_vec(),
    );
    corpus
}

fn mutate(rng: &mut SeededRng, bytes: &mut Vec<u8>, other: &[u8]) {
    const SPICE: &[&[u8]] = &[
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n ",
        b"\"",
        b"\\",
        b"<",
        b">",
        b";",
        b",",
        b":",
        b"%",
        b"@",
        b"\0",
        b"\xff",
        b"[",
        b"::",
        b"=",
        b" ",
        b"99999999999999999999",
        b"\r\n\r\n",
        b"Content-Length: 7",
        b"SIP/2.0",
        b"?",
        b"\xc3\xa9",
    ];
    for _ in 0..=rng.below(6) {
        let at = rng.below(bytes.len() as u64 + 1) as usize;
        match rng.below(5) {
            0 => {
                let spice = SPICE[rng.below(SPICE.len() as u64) as usize];
                bytes.splice(at..at, spice.iter().copied());
            }
            1 => drop(bytes.drain(at..(at + rng.below(20) as usize).min(bytes.len()))),
            2 => bytes.get_mut(at).into_iter().for_each(|b| *b ^= 1 << rng.below(8)),
            3 => bytes.truncate(at),
            _ => {
                let from = rng.below(other.len() as u64 + 1) as usize;
                let to = (from + rng.below(64) as usize).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
}

#[test]
fn no_mutation_of_a_message_brings_the_parser_down() {
    let mut seeds = own_corpus();
    if let Some(vectors) = support::vectors() {
        seeds.extend(corpus(&vectors));
    }
    let rounds: u64 = std::env::var("LIBVOIP_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(30_000);
    for seed in 0..rounds {
        let mut rng = SeededRng::new(seed);
        let mut pick = || rng.below(seeds.len() as u64) as usize;
        let (mut bytes, other) = (seeds[pick()].clone(), &seeds[pick()]);
        mutate(&mut rng, &mut bytes, other);
        let fed = std::panic::catch_unwind(|| feed(&bytes));
        assert!(fed.is_ok(), "seed {seed}: {}", String::from_utf8_lossy(&bytes));
    }
    println!("{rounds} mutations of {} messages", seeds.len());
}
