//! Seeded mutations of SDP, STUN and RTCP: the stable toolchain's share of the fuzz targets.
//! `LIBVOIP_MUTATIONS` sets how many of each, `LIBVOIP_SEED` where they begin.

mod support;

use std::path::Path;

use voip::proto::rtcp::{Compound, NtpTime, ReportBlock, RtcpWriter, Rule, SenderInfo, VoipMetrics};
use voip::proto::rtp::PayloadFormat;
use voip::proto::sdp::{
    accept_answer, answer, offer, Direction, Keying, LocalMedia, SessionDescription, SrtpMode,
};
use voip::proto::sip::auth::{self, Secret};
use voip::proto::sip::{Message, Transport};
use voip::proto::srtp::Profile;
use voip::proto::stun::{Client, ClientConfig, Credentials, Key, StunMessage};
use voip::ua::registration::{Pace, Registration, RegistrationAction};
use voip::ua::{AccountConfig, AccountStatus};
use voip::util::{Duration, Rng, SeededRng, Time};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("folder").map(|e| e.expect("entry").path()).collect();
    paths.retain(|path| path.is_file() && !path.ends_with("SOURCES"));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("file")).collect()
}

/// Changes a few places: bytes, lengths, pieces of the text or of another input.
fn mutate(rng: &mut SeededRng, bytes: &mut Vec<u8>, other: &[u8], spice: &[&[u8]]) {
    for _ in 0..=rng.below(5) {
        let at = rng.below(bytes.len() as u64 + 1) as usize;
        match rng.below(6) {
            0 => bytes.truncate(at.max(1)),
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = rng.next_u32() as u8;
                }
            }
            2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.below(8);
                }
            }
            3 => {
                let piece = spice[rng.below(spice.len() as u64) as usize];
                bytes.splice(at..at, piece.iter().copied());
            }
            4 => {
                let from = rng.below(other.len() as u64 + 1) as usize;
                let piece = &other[from..other.len().min(from + 40)];
                bytes.splice(at..at, piece.iter().copied());
            }
            _ => {
                let end = bytes.len().min(at + 1 + rng.below(20) as usize);
                bytes.drain(at..end);
            }
        }
        bytes.truncate(4000);
    }
}

/// Runs `check` on mutations of the seeds; a panic names its seed.
fn run(name: &str, seeds: &[Vec<u8>], spice: &[&[u8]], check: impl Fn(&[u8]) -> bool) {
    assert!(!seeds.is_empty());
    let (count, first) = (number("LIBVOIP_MUTATIONS", 20_000), number("LIBVOIP_SEED", 1));
    let mut taken = 0u64;
    for seed in first..first + count {
        let mut rng = SeededRng::new(seed);
        let mut bytes = seeds[rng.below(seeds.len() as u64) as usize].clone();
        let other = &seeds[rng.below(seeds.len() as u64) as usize];
        mutate(&mut rng, &mut bytes, other, spice);
        let check = std::panic::AssertUnwindSafe(|| check(&bytes));
        match std::panic::catch_unwind(check) {
            Ok(read) => taken += u64::from(read),
            Err(_) => panic!("{name}: LIBVOIP_SEED={seed} LIBVOIP_MUTATIONS=1"),
        }
    }
    println!("{name}: {count} mutations, {taken} of them taken");
    assert!(count < 1000 || taken > count / 100, "{name}: {taken} of {count}");
}

#[test]
fn mutated_descriptions_are_refused_or_survive_writing_and_answering() {
    let mut seeds = files(&support::data("sdp").join("offer_answer"));
    seeds.extend(files(&support::data("sdp").join("rfc_examples")));
    let spice: [&[u8]; 15] = [
        b"m=audio 9 RTP/SAVP 0\r\n",
        b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n",
        b"|2^31|1:4 KDR=0",
        b"\r\n",
        b"\n",
        b"=",
        b"m=audio 9 RTP/AVP 0\r\n",
        b"a=rtpmap:",
        b"/",
        b" ",
        b":",
        b"\0",
        b"\xff",
        b"99999999999999999999",
        b"c=IN IP4 0.0.0.0\r\n",
    ];
    let local = LocalMedia {
        address: ([192, 0, 2, 7], 40_000).into(),
        codecs: [PayloadFormat::new(0, "PCMU", 8000, 1), PayloadFormat::telephone_event(101, 8000)].into(),
        ptime_ms: 20,
        direction: Direction::SendRecv,
        session_id: 1,
        version: 1,
        keying: Keying::generate(SrtpMode::Optional, &Profile::ALL, &mut SeededRng::new(3)),
        ssrc: None,
        rtcp_mux: false,
    };
    run("sdp", &seeds, &spice, |bytes| {
        let Ok(read) = SessionDescription::parse(bytes) else { return false };
        let text = read.write();
        let again = SessionDescription::parse(text.as_bytes()).expect("our own text");
        assert_eq!(again.write(), text);
        read.check().expect("no line ends in values");
        if let Ok((ours, outcome)) = answer(&local, &read) {
            assert_eq!(ours.media.len(), read.media.len());
            assert!(!outcome.codecs.is_empty() && outcome.codecs.len() <= outcome.receive.len());
            SessionDescription::parse(ours.write().as_bytes()).expect("our own answer");
        }
        let _ = accept_answer(&local, &offer(&local, None), &read);
        SessionDescription::parse(offer(&local, Some(&read)).write().as_bytes()).expect("our own offer");
        true
    });
}

#[test]
fn mutated_stun_messages_never_make_the_client_send_twice() {
    let seeds = files(&support::data("stun"));
    let spice: [&[u8]; 6] = [
        b"\0\x14\0\x04real",
        b"\0\x15\0\x04nonc",
        b"\0\x09\0\x04\0\0\x04\x01",
        b"\0\0\0\0",
        b"\xff\xff",
        b"\0",
    ];
    run("stun", &seeds, &spice, |bytes| {
        let credentials = Credentials { user: "u".into(), password: String::from("p").into() };
        let config = ClientConfig { credentials: Some(credentials), ..Default::default() };
        let mut rng = SeededRng::new(1);
        let mut client = Client::new(Time::ZERO, &mut rng, config);
        let request = client.poll_transmit().expect("a request");
        let mut answer = bytes.to_vec();
        // Let it through to the attributes: length, cookie and transaction as they should be.
        answer.resize((answer.len() / 4 * 4).max(20), 0);
        let length = (answer.len() - 20) as u16;
        answer[0] = 1;
        answer[1] = if bytes.len() % 2 == 0 { 0x01 } else { 0x11 };
        answer[2..4].copy_from_slice(&length.to_be_bytes());
        answer[4..20].copy_from_slice(&request[4..20]);
        client.on_message(Time::ZERO, &mut rng, &answer);
        let sent = core::iter::from_fn(|| client.poll_transmit()).inspect(|request| {
            StunMessage::parse(request).expect("our own request");
        });
        assert!(sent.count() <= 1);
        let Ok(message) = StunMessage::parse(&answer) else { return false };
        let key = Key::short_term("x");
        let _ =
            (message.fingerprint_fits(), message.integrity_fits(&key), message.integrity_sha256_fits(&key));
        let _ = (message.mapped_address(), message.error_code(), message.not_understood().count());
        true
    });
}

#[test]
fn mutated_answers_to_a_register_never_start_a_storm() {
    let lines = [
        "200 OK\r\nContact: <sip:a@192.0.2.7:5062>;expires=300\r\nService-Route: <sip:r;lr>",
        "401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", stale=true",
        "407 Proxy\r\nProxy-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256",
        "423 Too Brief\r\nMin-Expires: 900",
        "302 Moved\r\nContact: <sip:192.0.2.9:5070;transport=udp>",
        "503 Busy\r\nRetry-After: 5 (a);duration=3",
        "403 Forbidden",
    ];
    let seeds = lines.map(|line| line.as_bytes().to_vec());
    let spice: [&[u8]; 8] =
        [b"\r\n", b"\"", b"<", b";expires=0", b"99999999999999999999", b"\xff", b",", b"Expires: 0\r\n"];
    let secret = Secret::Password(String::from("p").into());
    let config = AccountConfig {
        server: "example.com".into(),
        port: 0,
        transport: Transport::Udp,
        user: "a".into(),
        display_name: None,
        credentials: vec![auth::Credentials { realm: None, user: "a".into(), secret }],
        register: true,
        expires: 300,
        outbound_proxy: None,
        retry_min: Duration::from_secs(1),
        retry_max: Duration::from_secs(60),
        srtp: None,
    };
    run("register", &seeds, &spice, |bytes| {
        let mut rng = SeededRng::new(bytes.len() as u64);
        let (mut now, mut pace) = (Time::from_secs(1), Pace::default());
        let mut registration = Registration::new(&config, &mut rng);
        registration.start(now, &mut rng, &mut pace, "sip:a@192.0.2.7:5062");
        let (mut sent, mut taken) = (0, false);
        // As long as the same answer comes at once; then one deadline, and once more.
        for round in 0..2 {
            let mut burst = 0;
            while let Some(action) = registration.poll_action() {
                let RegistrationAction::Send(request) = action else { continue };
                burst += 1;
                assert!(burst <= 7, "a storm in round {round}");
                // The headers from the request, the rest from the mutation.
                let mut text = b"SIP/2.0 ".to_vec();
                text.extend_from_slice(bytes);
                let more = format!(
                    "\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1;rport=1;received=192.0.2.1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: {}\r\nCSeq: {} REGISTER\r\n\r\n",
                    registration.call_id(), request.cseq,
                );
                text.extend_from_slice(more.as_bytes());
                request
                    .build("SIP/2.0/UDP h;branch=z9hG4bK1", "x")
                    .expect("a request without line ends in values");
                if let Ok(message) = Message::parse(&text) {
                    registration.on_response(now, &mut rng, &message);
                    taken = true;
                }
            }
            sent += burst;
            let bound = registration.status() == AccountStatus::Registered;
            assert_eq!(bound, registration.is_bound(), "the status is what is true");
            let Some(at) = registration.next_deadline() else { break };
            now = at.max(now);
            registration.on_deadline(now, &mut rng, &mut pace);
        }
        assert!(sent >= 1);
        taken
    });
}

#[test]
fn mutated_rtcp_is_refused_or_walked_to_its_end() {
    let mut buffer = [0; 1024];
    let mut writer = RtcpWriter::new(&mut buffer);
    let blocks = [ReportBlock::default(), ReportBlock::default()];
    writer.sender_report(&SenderInfo::default(), &blocks).unwrap();
    writer.cname(7, b"alice@example.org").unwrap();
    let xr = writer.xr(7, |x| {
        x.receiver_reference_time(NtpTime(1))?;
        x.voip_metrics(&VoipMetrics::default())
    });
    xr.unwrap();
    writer.app(1, 7, *b"TEST", b"data").unwrap();
    writer.bye(&[7], Some(b"bye")).unwrap();
    let seeds = [writer.bytes().to_vec()];
    let spice: [&[u8]; 4] = [b"\x81\xca\0\x01", b"\0\0\0\0", b"\x80\xcf\0\x02", b"\xff"];
    run("rtcp", &seeds, &spice, |bytes| {
        let strict = Compound::parse(bytes, Rule::Compound).is_ok();
        let Ok(compound) = Compound::parse(bytes, Rule::ReducedSize) else {
            assert!(!strict);
            return false;
        };
        let count = compound.packets().count();
        assert!(count >= 1 && count <= bytes.len() / 4 && compound.padding() < bytes.len());
        let _ = format!("{:?}", compound.packets().collect::<Vec<_>>());
        true
    });
}
