//! STUN against the RFCs' sample messages, captured messages, and a real server where there is one.

#[path = "support/pcap.rs"]
mod pcap;
mod support;

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use voip::proto::rtp::{classify, PacketKind};
use voip::proto::stun::client::{Client, ClientConfig, Credentials, Failure, Outcome};
use voip::proto::stun::integrity::userhash;
use voip::proto::stun::message::frame_length;
use voip::proto::stun::{AttributeType, Class, Key, Method, PasswordAlgorithm};
use voip::proto::stun::{StunBuilder, StunMessage, TransactionId};
use voip::util::{Duration, Rng, SeededRng, Time};

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
const MATRIX: &str = "\u{30de}\u{30c8}\u{30ea}\u{30c3}\u{30af}\u{30b9}";

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stun").join(name);
    std::fs::read(path).expect("sample")
}

fn vectors(folder: &str) -> Option<PathBuf> {
    support::vectors().map(|place| place.join(folder)).filter(|path| path.is_dir())
}

#[test]
fn the_request_of_rfc_5769_is_read_and_checked() {
    let bytes = sample("rfc5769-2.1-request.bin");
    let message = StunMessage::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
    assert_eq!(message.text(AttributeType::SOFTWARE), Some("STUN test client"));
    assert_eq!(message.text(AttributeType::USERNAME), Some("evtj:h6vY"));
    let value = |kind| message.attribute(kind).unwrap().value;
    assert_eq!(value(AttributeType::PRIORITY), [0x6e, 0, 1, 0xff]);
    assert_eq!(value(AttributeType::ICE_CONTROLLED).len(), 8);
    assert!(message.fingerprint_fits());
    assert!(message.integrity_fits(&Key::short_term(PASSWORD)));
    assert!(!message.integrity_fits(&Key::short_term("another")));
    assert_eq!(message.not_understood().count(), 0);
}

#[test]
fn the_responses_of_rfc_5769_carry_the_mapped_addresses() {
    for (name, mapped) in [
        ("rfc5769-2.2-ipv4-response.bin", "192.0.2.1:32853"),
        ("rfc5769-2.3-ipv6-response.bin", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let bytes = sample(name);
        let message = StunMessage::parse(&bytes).unwrap();
        assert_eq!(message.class(), Class::Success);
        assert_eq!(message.mapped_address(), Some(mapped.parse().unwrap()));
        assert!(message.fingerprint_fits() && message.integrity_fits(&Key::short_term(PASSWORD)), "{name}");
        // Any changed bit is noticed by both checks.
        for at in [0, 9, 25, 40] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            if let Ok(message) = StunMessage::parse(&changed) {
                assert!(!message.fingerprint_fits(), "{name} {at}");
                assert!(!message.integrity_fits(&Key::short_term(PASSWORD)), "{name} {at}");
            }
        }
    }
}

#[test]
fn long_term_credentials_of_rfc_5769_make_the_published_key() {
    let key = Key::long_term(PasswordAlgorithm::Md5, MATRIX, "example.org", "TheMatrIX");
    let hex: String = key.bytes().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, "e8ca7ad59d5eb0518e312911d2dab2a9");
    let bytes = sample("rfc5769-2.4-long-term.bin");
    let message = StunMessage::parse(&bytes).unwrap();
    assert_eq!(message.text(AttributeType::USERNAME), Some(MATRIX));
    assert!(message.integrity_fits(&key));
    assert!(!message.fingerprint_fits(), "there is none");
}

/// The printed header length is 156, the attributes are 136 bytes, and the printed HMAC was made with
/// 156: the framing is refused, the hashes are checked on their own.
#[test]
fn the_sample_of_rfc_8489_has_a_wrong_length_and_right_hashes() {
    let bytes = sample("rfc8489-B.1.bin");
    let error = StunMessage::parse(&bytes).unwrap_err();
    assert_eq!((error.offset, error.expected), (2, "the length of the attributes"));
    let key = Key::long_term(PasswordAlgorithm::Sha256, MATRIX, "example.org", "TheMatrIX");
    let hex: String = key.bytes().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, "dd295a613b9058c3c23d6dc7165bda072304d989c9d0af3a8c7e184b4f9bb4a1");
    let mut fixed = bytes.clone();
    fixed[2..4].copy_from_slice(&136u16.to_be_bytes());
    let message = StunMessage::parse(&fixed).unwrap();
    let hash = message.attribute(AttributeType::USERHASH).unwrap().value;
    assert_eq!(hash, userhash(MATRIX, "example.org"));
    assert!(!message.integrity_sha256_fits(&key), "made over another length");
}

#[test]
fn what_is_written_is_read_again() {
    let id = TransactionId(*b"abcdefghijkl");
    let key = Key::short_term("secret");
    let v4: SocketAddr = "192.0.2.9:4711".parse().unwrap();
    let v6: SocketAddr = "[2001:db8::9]:4711".parse().unwrap();
    let bytes = StunBuilder::new(Class::Error, Method::ALLOCATE, id)
        .text(AttributeType::REALM, "example.org")
        .text(AttributeType::NONCE, "n")
        .error_code(438, "Stale Nonce")
        .unknown_attributes(&[AttributeType(0x7000), AttributeType(0x7001)])
        .password_algorithms(&[PasswordAlgorithm::Sha256, PasswordAlgorithm::Md5])
        .password_algorithm(PasswordAlgorithm::Md5)
        .userhash("u", "r")
        .address(AttributeType::MAPPED_ADDRESS, v4)
        .xor_address(AttributeType::XOR_MAPPED_ADDRESS, v6)
        .address(AttributeType::ALTERNATE_SERVER, v6)
        .text(AttributeType::ALTERNATE_DOMAIN, "alt.example.org")
        .u32(AttributeType::PRIORITY, 7)
        .u64(AttributeType::ICE_CONTROLLING, 8)
        .integrity(&key)
        .integrity_sha256(&key)
        .fingerprint()
        .build()
        .unwrap();
    let message = StunMessage::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Error, Method::ALLOCATE));
    assert_eq!(message.transaction_id(), id);
    let error = message.error_code().unwrap();
    assert_eq!((error.code, error.reason), (438, "Stale Nonce"));
    let unknown: Vec<_> = message.unknown_attributes().collect();
    assert_eq!(unknown, [AttributeType(0x7000), AttributeType(0x7001)]);
    let list = message.attribute(AttributeType::PASSWORD_ALGORITHMS).unwrap().value;
    let list: Vec<_> = PasswordAlgorithm::decode_list(list).collect();
    assert_eq!(list, [PasswordAlgorithm::Sha256, PasswordAlgorithm::Md5]);
    assert_eq!(message.mapped_address(), Some(v6), "the obfuscated one goes first");
    assert_eq!(message.address(AttributeType::MAPPED_ADDRESS), Some(v4));
    assert_eq!(message.address(AttributeType::ALTERNATE_SERVER), Some(v6));
    assert!(message.integrity_fits(&key) && message.integrity_sha256_fits(&key));
    assert!(message.fingerprint_fits());
    assert_eq!(frame_length(&bytes), Some(bytes.len()));
    assert_eq!(frame_length(&bytes[..19]), None);
}

#[test]
fn every_method_and_class_survives_its_bits() {
    for value in 0..=0xfff {
        let method = Method::new(value).unwrap();
        for class in [Class::Request, Class::Indication, Class::Success, Class::Error] {
            let bytes = StunBuilder::new(class, method, TransactionId::default()).build().unwrap();
            let message = StunMessage::parse(&bytes).unwrap();
            assert_eq!((message.method(), message.class()), (method, class));
        }
    }
    assert_eq!(Method::new(0x1000), None);
}

#[test]
fn attributes_behind_the_integrity_do_not_count() {
    let key = Key::short_term("secret");
    let bytes = StunBuilder::new(Class::Request, Method::BINDING, TransactionId::default())
        .integrity(&key)
        .text(AttributeType::USERNAME, "smuggled")
        .integrity_sha256(&key)
        .text(AttributeType::REALM, "smuggled")
        .fingerprint()
        .build()
        .unwrap();
    let message = StunMessage::parse(&bytes).unwrap();
    assert_eq!(message.text(AttributeType::USERNAME), None);
    assert_eq!(message.text(AttributeType::REALM), None);
    assert!(
        message.integrity_fits(&key) && message.integrity_sha256_fits(&key) && message.fingerprint_fits()
    );
    assert_eq!(message.all_attributes().count(), 5);
}

#[test]
fn a_truncated_sha256_integrity_counts_from_sixteen_bytes() {
    let key = Key::short_term("secret");
    let whole = |length: usize| {
        let empty = StunBuilder::new(Class::Request, Method::BINDING, TransactionId::default());
        // The HMAC covers the header's length, so it is made with the attribute of that size in place.
        let bytes =
            empty.clone().raw(AttributeType::MESSAGE_INTEGRITY_SHA256, &vec![0; length]).build().unwrap();
        let mac = {
            use hmac::{Hmac, KeyInit, Mac};
            let mut mac = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(key.bytes()).unwrap();
            mac.update(&bytes[..20]);
            mac.finalize().into_bytes()
        };
        empty.raw(AttributeType::MESSAGE_INTEGRITY_SHA256, &mac[..length]).build().unwrap()
    };
    for (length, fits) in [(12, false), (16, true), (20, true), (32, true)] {
        let bytes = whole(length);
        assert_eq!(StunMessage::parse(&bytes).unwrap().integrity_sha256_fits(&key), fits, "{length}");
    }
}

#[test]
fn a_parse_error_tells_the_offset_and_what_was_expected() {
    let good = StunBuilder::new(Class::Request, Method::BINDING, TransactionId::default())
        .text(AttributeType::SOFTWARE, "x")
        .build()
        .unwrap();
    let error = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        let e = StunMessage::parse(&bytes).unwrap_err();
        (e.offset, e.expected)
    };
    assert_eq!(error(&|b| b.truncate(19)), (19, "20 bytes of header"));
    assert_eq!(error(&|b| b[0] = 0x80), (0, "two zero bits in front"));
    assert_eq!(error(&|b| b[4] = 0), (4, "the magic cookie"));
    assert_eq!(error(&|b| b[3] = 7), (2, "a length that is a multiple of four"));
    assert_eq!(error(&|b| b[3] = 4), (2, "the length of the attributes"));
    assert_eq!(error(&|b| b[23] = 9), (20, "an attribute within the message"));
    let early = StunBuilder::new(Class::Request, Method::BINDING, TransactionId::default())
        .fingerprint()
        .text(AttributeType::SOFTWARE, "x")
        .build()
        .unwrap();
    assert_eq!(StunMessage::parse(&early).unwrap_err().offset, 20);
}

#[test]
fn a_builder_refuses_what_does_not_fit() {
    let new = || StunBuilder::new(Class::Error, Method::BINDING, TransactionId::default());
    assert!(new().raw(AttributeType::DATA, &vec![0; 65_000]).build().is_some());
    assert!(new().raw(AttributeType::DATA, &vec![0; 65_536]).build().is_none());
    let two = new().raw(AttributeType::DATA, &vec![0; 40_000]).raw(AttributeType::DATA, &vec![0; 40_000]);
    assert!(two.build().is_none());
    assert!(new().error_code(299, "").build().is_none());
    assert!(new().error_code(700, "").build().is_none());
    assert!(new().error_code(699, "").build().is_some());
}

#[test]
fn captured_messages_are_read_as_an_independent_reader_saw_them() {
    let Some(folder) = vectors("06_stun_ice/stun") else { return println!("no corpus here") };
    let cases = std::fs::read_to_string(folder.join("cases.jsonl")).unwrap();
    let (mut count, mut read) = (0, 0);
    for case in cases.lines() {
        let path = case.split("\"path\": \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let bytes = std::fs::read(folder.join(path)).unwrap();
        let parsed = StunMessage::parse(&bytes);
        if let Ok(message) = &parsed {
            let _ = (message.fingerprint_fits(), message.integrity_fits(&Key::short_term("x")));
            let _ = (message.error_code(), message.mapped_address(), message.not_understood().count());
            let types: Vec<String> =
                message.all_attributes().map(|a| format!("\"type\": \"0x{:04x}\"", a.kind.0)).collect();
            assert_eq!(types.len(), case.matches("\"type\": \"0x").count(), "{path}");
            assert!(types.iter().all(|t| case.contains(t.as_str())), "{path}");
            if case.contains("\"fingerprint_ok\": ") {
                let ok = case.contains("\"fingerprint_ok\": true");
                assert_eq!(message.fingerprint_fits(), ok, "{path}");
            }
            read += 1;
        }
        let whole = case.contains("\"length_matches\": true") && !case.contains("\"bad\"");
        let is_stun = case.contains("\"stun\": true");
        match parsed {
            Ok(_) => assert!(whole && is_stun, "{path} should not be read"),
            Err(e) if whole && is_stun && !path.contains("pjproject") && !path.contains("webrtc") => {
                panic!("{path}: {e:?}")
            }
            Err(_) => {}
        }
        count += 1;
    }
    println!("{count} captured messages, {read} of them whole");
    assert!(count == 61 && read >= 25, "{count} {read}");
}

#[test]
fn stun_of_captured_calls_is_told_from_what_surrounds_it() {
    let Some(folder) = vectors("06_stun_ice/pcap") else { return println!("no corpus here") };
    // The other reader also counts STUN in TCP and in what ICMP quotes.
    let more =
        ["ndpi_stun_dtls_rtp.pcapng", "ndpi_stun_signal.pcapng", "ndpi_stun_tcp_multiple_msgs_same_pkt.pcap"];
    let (mut count, mut checked) = (0, 0);
    for case in support::cases(&folder) {
        let payloads = pcap::udp_payloads(&case.file(&folder));
        let expected = case.get("frames_by_protocol").get("stun").number().unwrap_or(0.0) as usize;
        let ours: Vec<&Vec<u8>> = payloads.iter().filter(|p| classify(p) == PacketKind::Stun).collect();
        assert!(ours.len() == expected || more.contains(&case.id()), "{}: {}", case.id(), ours.len());
        for payload in ours {
            let message = StunMessage::parse(payload).unwrap_or_else(|e| panic!("{}: {e:?}", case.id()));
            count += 1;
            if message.attribute(AttributeType::FINGERPRINT).is_some() {
                assert!(message.fingerprint_fits(), "{}", case.id());
                checked += 1;
            }
        }
    }
    println!("{count} STUN messages of captures, {checked} fingerprints");
    assert!(count > 400 && checked > 100, "{count} {checked}");
}

// ---- the client, in virtual time ----

struct Query {
    client: Client,
    rng: SeededRng,
    now: Time,
    sent: Vec<(Time, Vec<u8>)>,
}

impl Query {
    fn new(config: ClientConfig) -> Query {
        let mut rng = SeededRng::new(5);
        let now = Time::from_secs(10);
        let client = Client::new(now, &mut rng, config);
        let mut query = Query { client, rng, now, sent: Vec::new() };
        query.drain();
        query
    }
    fn drain(&mut self) {
        while let Some(bytes) = self.client.poll_transmit() {
            self.sent.push((self.now, bytes));
        }
    }
    fn wake(&mut self) -> bool {
        let Some(at) = self.client.next_deadline() else { return false };
        self.now = at;
        self.client.on_deadline(at);
        self.drain();
        true
    }
    fn id(&self) -> TransactionId {
        StunMessage::parse(&self.sent.last().unwrap().1).unwrap().transaction_id()
    }
    fn answer(&mut self, builder: StunBuilder) -> bool {
        let taken = self.client.on_message(self.now, &mut self.rng, &builder.build().unwrap());
        self.drain();
        taken
    }
    fn success(&self) -> StunBuilder {
        let address = "203.0.113.5:40000".parse().unwrap();
        StunBuilder::new(Class::Success, Method::BINDING, self.id())
            .xor_address(AttributeType::XOR_MAPPED_ADDRESS, address)
    }
    fn error(&self, code: u16) -> StunBuilder {
        StunBuilder::new(Class::Error, Method::BINDING, self.id()).error_code(code, "no")
    }
    fn challenge(&self, code: u16, nonce: &str) -> StunBuilder {
        self.error(code).text(AttributeType::REALM, "example.org").text(AttributeType::NONCE, nonce)
    }
    fn failure(&self) -> &Failure {
        match self.client.outcome() {
            Some(Outcome::Failed(failure)) => failure,
            other => panic!("{other:?}"),
        }
    }
    fn last(&self) -> StunMessage<'_> {
        StunMessage::parse(&self.sent.last().unwrap().1).unwrap()
    }
}

fn with_password() -> ClientConfig {
    let password = "secret".to_owned().into();
    ClientConfig { credentials: Some(Credentials { user: "alice".into(), password }), ..Default::default() }
}

#[test]
fn a_silent_server_is_asked_seven_times_at_the_instants_of_the_rfc() {
    let mut query = Query::new(ClientConfig::default());
    while query.wake() {}
    let start = query.sent[0].0;
    let at: Vec<u128> = query.sent.iter().map(|(t, _)| t.since(start).as_millis()).collect();
    assert_eq!(at, [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    assert_eq!(query.now.since(start), Duration::from_millis(39_500));
    assert!(query.sent.iter().all(|(_, bytes)| *bytes == query.sent[0].1));
    assert_eq!(query.failure(), &Failure::Timeout);
}

#[test]
fn over_a_stream_it_is_asked_once() {
    let mut query = Query::new(ClientConfig { reliable: true, ..Default::default() });
    let start = query.now;
    while query.wake() {}
    assert_eq!((query.sent.len(), query.now.since(start)), (1, Duration::from_millis(39_500)));
    assert_eq!(query.failure(), &Failure::Timeout);
}

#[test]
fn an_answer_gives_the_address_and_the_round_trip_of_a_request_sent_once() {
    let mut query = Query::new(ClientConfig::default());
    assert!(query.last().fingerprint_fits());
    query.now += Duration::from_millis(30);
    assert!(query.answer(query.success().fingerprint()));
    let address = "203.0.113.5:40000".parse().unwrap();
    let expected = Outcome::Mapped { address, round_trip: Some(Duration::from_millis(30)) };
    assert_eq!(query.client.outcome(), Some(&expected));
    assert_eq!(query.client.next_deadline(), None);

    let mut query = Query::new(ClientConfig::default());
    query.wake();
    query.answer(query.success());
    assert_eq!(query.client.outcome(), Some(&Outcome::Mapped { address, round_trip: None }));
}

#[test]
fn strange_messages_are_as_if_they_had_not_come() {
    let mut query = Query::new(ClientConfig::default());
    let other = StunBuilder::new(Class::Success, Method::BINDING, TransactionId([9; 12]));
    let address = "203.0.113.5:40000".parse().unwrap();
    assert!(!query.answer(other.xor_address(AttributeType::XOR_MAPPED_ADDRESS, address)));
    assert!(!query.answer(StunBuilder::new(Class::Request, Method::BINDING, query.id())));
    assert!(!query.answer(StunBuilder::new(Class::Success, Method::ALLOCATE, query.id())));
    assert!(!query.answer(query.success().u32(AttributeType::FINGERPRINT, 1)));
    assert!(!query.client.on_message(query.now, &mut query.rng, b"hello"));
    assert_eq!(query.client.outcome(), None);
}

#[test]
fn bad_and_unhelpful_answers_are_failures() {
    let outcome = |make: &dyn Fn(&Query) -> StunBuilder| {
        let mut query = Query::new(ClientConfig::default());
        let builder = make(&query);
        assert!(query.answer(builder));
        query.failure().clone()
    };
    let empty = outcome(&|q| StunBuilder::new(Class::Success, Method::BINDING, q.id()));
    assert_eq!(empty, Failure::BadResponse);
    assert_eq!(outcome(&|q| q.success().u32(AttributeType(0x7abc), 1)), Failure::BadResponse);
    let refused = Failure::Refused { code: 500, reason: "no".into() };
    assert_eq!(outcome(&|q| q.error(500)), refused);
    let server = "198.51.100.1:3478".parse().unwrap();
    let moved = outcome(&|q| {
        q.error(300)
            .address(AttributeType::ALTERNATE_SERVER, server)
            .text(AttributeType::ALTERNATE_DOMAIN, "x.org")
    });
    assert_eq!(moved, Failure::TryAlternate { server, domain: Some("x.org".into()) });
    assert_eq!(outcome(&|q| q.challenge(401, "n")), Failure::Credentials, "we have none");
}

#[test]
fn a_challenge_is_answered_with_long_term_credentials() {
    let mut query = Query::new(with_password());
    assert_eq!(query.last().attribute(AttributeType::USERNAME), None);
    let before = query.id();
    query.answer(query.challenge(401, "nonce1"));
    let key = Key::long_term(PasswordAlgorithm::Md5, "alice", "example.org", "secret");
    let request = query.last();
    assert_ne!(request.transaction_id(), before);
    assert_eq!(request.text(AttributeType::USERNAME), Some("alice"));
    assert_eq!(request.text(AttributeType::NONCE), Some("nonce1"));
    assert!(request.integrity_fits(&key) && request.fingerprint_fits());
    // A stale nonce is renewed; answers must be protected from now on.
    query.answer(query.challenge(438, "nonce2"));
    assert_eq!(query.last().text(AttributeType::NONCE), Some("nonce2"));
    assert!(!query.answer(query.success()));
    assert!(!query.answer(query.success().integrity(&Key::short_term("wrong"))));
    assert!(query.answer(query.success().integrity(&key)));
    assert!(matches!(query.client.outcome(), Some(Outcome::Mapped { .. })));
}

#[test]
fn a_second_401_is_final_and_stale_nonces_do_not_go_on_for_ever() {
    let mut query = Query::new(with_password());
    query.answer(query.challenge(401, "a"));
    query.answer(query.challenge(401, "b"));
    assert_eq!(query.failure(), &Failure::Credentials);
    let mut query = Query::new(with_password());
    query.answer(query.challenge(401, "a"));
    while query.client.outcome().is_none() {
        query.answer(query.challenge(438, "b"));
    }
    assert_eq!((query.failure(), query.sent.len()), (&Failure::Credentials, 4));
}

#[test]
fn password_algorithms_bring_sha_256_and_user_hashes() {
    let both = [PasswordAlgorithm::Sha256, PasswordAlgorithm::Md5];
    // Bits 0 and 1 from the left: 0xc00000.
    let nonce = "obMatJos2wAAAx";
    let mut query = Query::new(with_password());
    query.answer(query.challenge(401, nonce).password_algorithms(&both));
    let key = Key::long_term(PasswordAlgorithm::Sha256, "alice", "example.org", "secret");
    let request = query.last();
    assert_eq!(request.attribute(AttributeType::USERNAME), None);
    let hash = request.attribute(AttributeType::USERHASH).unwrap().value;
    assert_eq!(hash, userhash("alice", "example.org"));
    assert!(request.attribute(AttributeType::PASSWORD_ALGORITHMS).is_some());
    let chosen = request.attribute(AttributeType::PASSWORD_ALGORITHM).unwrap().value;
    assert_eq!(chosen, [0, 2, 0, 0]);
    assert!(
        request.integrity_sha256_fits(&key) && request.attribute(AttributeType::MESSAGE_INTEGRITY).is_none()
    );
    // An answer under the weaker hash would be a downgrade.
    assert!(!query.answer(query.success().integrity(&key)));
    assert!(query.answer(query.success().integrity_sha256(&key)));
    // Somebody cut the list out on the way.
    let mut query = Query::new(with_password());
    query.answer(query.challenge(401, nonce));
    assert_eq!(query.failure(), &Failure::Credentials);
}

// ---- a real server ----

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn coturn(port: u16, folder: &Path, extra: &[&str]) -> Server {
    let data = folder.join("turndb");
    let child = Command::new("turnserver")
        .args(["-n", "-L", "127.0.0.1", "-L", "::1", "-E", "127.0.0.1", "-p", &port.to_string()])
        .args(["--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout", "--simple-log"])
        .arg("--pidfile")
        .arg(folder.join("pid"))
        .arg("-b")
        .arg(data)
        .args(extra)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Server(child.expect("turnserver (apt-get install coturn)"))
}

/// Runs a query over a real socket; retransmission bridges the time until the server listens.
fn ask(server: SocketAddr, config: ClientConfig) -> (Outcome, SocketAddr) {
    let any = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(any).unwrap();
    let start = Instant::now();
    let now = || Time::from_nanos(start.elapsed().as_nanos() as u64);
    let mut rng = SeededRng::new(start.elapsed().as_nanos() as u64 ^ u64::from(std::process::id()));
    rng.next_u64();
    let mut client = Client::new(now(), &mut rng, config);
    loop {
        while let Some(bytes) = client.poll_transmit() {
            let _ = socket.send_to(&bytes, server);
        }
        if let Some(outcome) = client.outcome() {
            return (outcome.clone(), socket.local_addr().unwrap());
        }
        let wait = client.next_deadline().unwrap().since(now()).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(wait)).unwrap();
        let mut buffer = [0; 2048];
        if let Ok((n, _)) = socket.recv_from(&mut buffer) {
            client.on_message(now(), &mut rng, &buffer[..n]);
        }
        client.on_deadline(now());
    }
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn coturn_tells_our_address_with_and_without_credentials() {
    let folder = std::env::temp_dir().join(format!("voip-stun-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let fast = ClientConfig { rto: Duration::from_millis(100), ..Default::default() };
    let port = free_port();
    let server = coturn(port, &folder, &["--no-auth"]);
    for host in ["127.0.0.1", "[::1]"] {
        if UdpSocket::bind(format!("{host}:0")).is_err() {
            println!("no {host} on this machine");
            continue;
        }
        let (outcome, ours) = ask(format!("{host}:{port}").parse().unwrap(), fast.clone());
        assert!(matches!(outcome, Outcome::Mapped { address, .. } if address == ours), "{outcome:?}");
    }
    drop(server);

    let port = free_port();
    let secure = ["--secure-stun", "-a", "-u", "alice:secret", "-r", "example.org"];
    let _server = coturn(port, &folder, &secure);
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    let known = ClientConfig { rto: fast.rto, ..with_password() };
    let (outcome, ours) = ask(address, known.clone());
    assert!(matches!(outcome, Outcome::Mapped { address, .. } if address == ours), "{outcome:?}");
    let (outcome, _) = ask(address, fast);
    assert_eq!(outcome, Outcome::Failed(Failure::Credentials));
    let password = "wrong".to_owned().into();
    let wrong = Credentials { user: "alice".into(), password };
    let (outcome, _) = ask(address, ClientConfig { credentials: Some(wrong), ..known });
    assert_eq!(outcome, Outcome::Failed(Failure::Credentials));
    let _ = std::fs::remove_dir_all(&folder);
}
