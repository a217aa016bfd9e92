//! Session descriptions and offer/answer against the RFCs' examples and other parsers' corpora.

mod support;

use std::path::{Path, PathBuf};

use voip::proto::rtp::PayloadFormat;
use voip::proto::sdp::formats::{is_auxiliary, payload_formats};
use voip::proto::sdp::{
    accept_answer, answer, offer, Direction, Keying, LocalMedia, NegotiateError, SessionDescription,
};

fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sdp").join(folder)
}

/// The shared corpora, where they are at hand.
fn vectors(folder: &str) -> Option<PathBuf> {
    support::vectors().map(|place| place.join(folder)).filter(|path| path.is_dir())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> SessionDescription {
    let bytes = std::fs::read(path).expect("file");
    SessionDescription::parse(&bytes).unwrap_or_else(|e| panic!("{}: {e:?}", path.display()))
}

fn parse(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{e:?} in {text}"))
}

fn format(payload_type: u8, name: &str, clock_rate: u32) -> PayloadFormat {
    PayloadFormat::new(payload_type, name, clock_rate, 1)
}

fn local(codecs: &[PayloadFormat]) -> LocalMedia {
    LocalMedia {
        address: "192.0.2.7:40000".parse().unwrap(),
        codecs: codecs.into(),
        ptime_ms: 20,
        direction: Direction::SendRecv,
        session_id: 77,
        version: 1,
        keying: Keying::default(),
        ssrc: None,
        rtcp_mux: false,
    }
}

fn phone() -> LocalMedia {
    local(&[format(0, "PCMU", 8000), format(8, "PCMA", 8000), format(101, "telephone-event", 8000)])
}

fn offered(lines: &str) -> SessionDescription {
    parse(&format!("v=0\r\no=x 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}"))
}

fn types(formats: &[PayloadFormat]) -> Vec<u8> {
    formats.iter().map(|f| f.payload_type).collect()
}

#[test]
fn every_example_of_the_rfcs_is_parsed_and_survives_writing() {
    let mut count = 0;
    for path in files(&data("rfc_examples")).iter().chain(&files(&data("offer_answer"))) {
        let first = read(path);
        let again = parse(&first.write());
        assert_eq!(first, again, "{}", path.display());
        let lines = std::fs::read_to_string(path).unwrap();
        let media = lines.lines().filter(|l| l.starts_with("m=")).count();
        assert_eq!(first.media.len(), media, "{}", path.display());
        count += 1;
    }
    assert_eq!(count, 59);
}

/// Answers each RFC offer with the codecs that its RFC answer shows, and compares line by line.
#[test]
fn our_answers_agree_with_those_of_rfc_4317_and_rfc_3264() {
    // RFC 4317 section 3.2 answers `sendonly` without a direction; 5.1's first offer has no media at all.
    let set_apart = ["rfc4317_s3.2_2", "rfc4317_s5.1_1"];
    let mut count = 0;
    for path in files(&data("offer_answer")) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(id) = name.strip_suffix("_offer.sdp") else { continue };
        if set_apart.contains(&id) {
            continue;
        }
        let offer = read(&path);
        let theirs = read(&path.with_file_name(format!("{id}_answer.sdp")));
        let speech = |m: &voip::proto::sdp::Media| payload_formats(m).iter().any(|f| !is_auxiliary(f));
        let place = theirs.media.iter().position(|m| m.is_audio() && m.port != 0 && speech(m));
        let place = place.unwrap_or_else(|| panic!("{id} answers no audio"));
        let us = local(&payload_formats(&theirs.media[place]));

        let (ours, outcome) = answer(&us, &offer).unwrap_or_else(|e| panic!("{id}: {e:?}"));
        assert_eq!(outcome.media_index, place, "{id}");
        assert_eq!(ours.media.len(), theirs.media.len(), "{id}");
        for (index, line) in ours.media.iter().enumerate() {
            assert_eq!(line.kind, offer.media[index].kind, "{id} line {index}");
            assert_eq!(line.protocol, offer.media[index].protocol, "{id} line {index}");
            if index == place {
                assert_eq!(line.formats, theirs.media[index].formats, "{id}");
                assert_eq!(ours.direction(index), theirs.direction(index), "{id}");
                assert_eq!(line.port, 40000);
            } else {
                assert_eq!(line.port, 0, "{id} line {index}");
                assert_eq!(line.formats, offer.media[index].formats, "{id} line {index}");
            }
        }
        count += 1;
    }
    println!("{count} pairs");
    assert_eq!(count, 18);
}

#[test]
fn the_answers_of_the_rfcs_are_accepted_by_the_side_that_offered() {
    let mut count = 0;
    for path in files(&data("offer_answer")) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(id) = name.strip_suffix("_offer.sdp") else { continue };
        let offer = read(&path);
        let theirs = read(&path.with_file_name(format!("{id}_answer.sdp")));
        // Offers with an audio stream that the answer takes at the same place.
        let Some(place) = offer.media.iter().position(|m| m.is_audio() && m.port != 0) else { continue };
        if theirs.media[place].port == 0 {
            continue;
        }
        let outcome = accept_answer(&phone(), &offer, &theirs).unwrap_or_else(|e| panic!("{id}: {e:?}"));
        // RFC 4317 section 3.2 answers with a format that was not offered, too.
        let formats = &theirs.media[place].formats;
        let first = formats.iter().find(|f| offer.media[place].formats.contains(f)).unwrap();
        assert_eq!(outcome.codecs[0].payload_type.to_string(), **first, "{id}");
        count += 1;
    }
    assert!(count >= 15, "{count}");
}

#[test]
fn descriptions_of_other_projects_are_read_like_their_authors_do() {
    let Some(folder) = vectors("03_sdp/repo_sdp") else { return println!("no corpus here") };
    let cases = std::fs::read_to_string(folder.join("cases.jsonl")).unwrap();
    let mut count = 0;
    for case in cases.lines() {
        let path = case.split("\"path\": \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let bytes = std::fs::read(folder.join(path)).unwrap();
        let parsed = SessionDescription::parse(&bytes);
        if let Ok(parsed) = &parsed {
            assert_eq!(parsed, &parse(&parsed.write()), "{path}");
        }
        // These hold several descriptions, fragments or lines without a letter.
        let fragments = ["sdp-transform/invalid.sdp"];
        let complete = bytes.starts_with(b"v=0");
        if case.contains("\"verdict_of_origin\": \"parsed\"") && complete && !fragments.contains(&path) {
            assert!(parsed.is_ok(), "{path}: {parsed:?}");
        }
        count += 1;
    }
    println!("{count} descriptions of other projects");
    assert_eq!(count, 99);
}

#[test]
fn no_bytes_of_the_fuzz_corpora_make_the_parser_or_the_negotiation_fall() {
    let Some(folder) = vectors("03_sdp/fuzz") else { return println!("no corpus here") };
    let (mut count, mut read) = (0, 0);
    for path in files(&folder) {
        let bytes = std::fs::read(&path).unwrap();
        let previous = offer(&phone(), None);
        if let Ok(parsed) = SessionDescription::parse(&bytes) {
            assert_eq!(parsed, parse(&parsed.write()), "{}", path.display());
            assert!(parsed.check().is_ok());
            if let Ok((ours, _)) = answer(&phone(), &parsed) {
                assert_eq!(ours.media.len(), parsed.media.len());
                assert!(SessionDescription::parse(ours.write().as_bytes()).is_ok());
            }
            let _ = accept_answer(&phone(), &previous, &parsed);
            let again = offer(&phone(), Some(&parsed));
            assert!(again.media.len() >= parsed.media.len());
            read += 1;
        }
        count += 1;
    }
    println!("{count} fuzz inputs, {read} of them descriptions");
    assert!(count > 280 && read > 20, "{count} {read}");
}

/// SEEDS.md part 6, defect 20.
#[test]
fn defect_20_the_version_counts_changes_and_only_changes() {
    let mut us = phone();
    let first = offer(&us, None);
    assert_eq!(first.origin.version, 1);
    let same = offer(&us, Some(&first));
    assert_eq!(same.origin.version, 1);
    assert_eq!(same, first);
    us.direction = Direction::SendOnly;
    let held = offer(&us, Some(&same));
    assert_eq!(held.origin.version, 2);
    assert_eq!(held.origin.session_id, first.origin.session_id);
    us.direction = Direction::SendRecv;
    assert_eq!(offer(&us, Some(&held)).origin.version, 3);

    let asked = offered("m=audio 5000 RTP/AVP 0\r\n");
    let (mut one, _) = answer(&us, &asked).unwrap();
    let (mut two, _) = answer(&us, &asked).unwrap();
    two.follow_version(&one);
    assert_eq!(two.origin.version, one.origin.version);
    one.media[0].port = 40002;
    two.follow_version(&one);
    assert_eq!(two.origin.version, one.origin.version + 1);
}

/// SEEDS.md part 6, defect 22.
#[test]
fn defect_22_a_video_line_is_refused_and_the_audio_beside_it_answered() {
    let asked = offered(
        "m=video 5004 RTP/AVP 96 31\r\na=rtpmap:96 H264/90000\r\nm=audio 5000 RTP/AVP 8\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
    );
    let (ours, outcome) = answer(&phone(), &asked).unwrap();
    assert_eq!(outcome.media_index, 1);
    let ports: Vec<u16> = ours.media.iter().map(|m| m.port).collect();
    assert_eq!(ports, [0, 40000, 0]);
    assert_eq!(ours.media[0].formats, asked.media[0].formats);
    let text = ours.write();
    assert!(text.contains("m=video 0 RTP/AVP 96 31\r\n"), "{text}");
    assert!(text.contains("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"), "{text}");
}

#[test]
fn bounds_hold_on_media_attributes_formats_and_length() {
    let many = |line: &str, n: usize| {
        let text = format!("v=0\r\n{}", line.repeat(n));
        SessionDescription::parse(text.as_bytes()).map(|_| ()).map_err(|e| e.expected)
    };
    assert_eq!(many("m=audio 0 RTP/AVP 0\n", 64), Ok(()));
    assert_eq!(many("m=audio 0 RTP/AVP 0\n", 65), Err("at most 64 media"));
    assert_eq!(many("a=x\n", 1024), Ok(()));
    assert_eq!(many("a=x\n", 1025), Err("at most 1024 attributes"));
    assert_eq!(many("t=0 0\n", 65), Err("at most 64 times"));
    assert_eq!(many("b=AS:1\n", 257), Err("at most 256 other lines"));
    assert_eq!(many(&format!("m=audio 0 RTP/AVP{}\n", " 0".repeat(129)), 1), Err("at most 128 formats"));
    assert_eq!(many(&"i=x".repeat(30_000), 1), Err("at most 65535 bytes"));
}

#[test]
fn a_parse_error_tells_the_offset_of_the_line_and_what_was_expected() {
    let error = |text: &str| SessionDescription::parse(text.as_bytes()).unwrap_err();
    let e = error("v=0\r\no=- 1 1 IN IP4\r\n");
    assert_eq!((e.offset, e.expected), (5, "six fields in the o= line"));
    assert_eq!(error("").expected, "v=0");
    assert_eq!(error("s=-\r\nv=0\r\n").expected, "v=0");
    assert_eq!(error("v=1\r\n").expected, "v=0");
    assert_eq!(error("v=0\nm=audio 70000 RTP/AVP 0\n").expected, "a port of 0 to 65535");
    assert_eq!(error("v=0\nm=audio +5 RTP/AVP 0\n").expected, "a port of 0 to 65535");
    assert_eq!(error("v=0\nm=audio\n").expected, "media, port and protocol");
    assert_eq!(error("v=0\nc=IN\n").expected, "three fields in the c= line");
    assert_eq!(error("v=0\nhello\n").expected, "a letter and an equals sign");
    let e = error("v=0\ns=a\0b\n");
    assert_eq!((e.offset, e.expected), (7, "text without nul"));
}

#[test]
fn line_ends_blank_lines_order_and_unknown_lines_are_taken_as_they_come() {
    let expected = parse("v=0\r\no=a 1 2 IN IP4 192.0.2.1\r\ns=x\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n");
    let mixed = parse("v=0\n\n\r\nt=0 0\rs=x\no=a 1 2 IN IP4 192.0.2.1\r\nm=audio 5000 RTP/AVP 0");
    assert_eq!(mixed, expected);
    let odd = parse("v=0\nx=strange\nb=AS:64\nz=1 2\nu=http://x\nt=1 2\nr=7d 1h 0 25h\nm=audio 1 RTP/AVP 0\ny=odd\ni=title\n");
    assert_eq!(odd.other_lines.len(), 4);
    assert_eq!(odd.media[0].other_lines.len(), 2);
    let text = odd.write();
    let letters: String = text.lines().filter_map(|l| l.chars().next()).collect();
    assert_eq!(letters, "vosubtrzxmiy");
    assert_eq!(parse(&text).write(), text);
}

#[test]
fn a_value_can_not_become_a_line() {
    let mut description = offered("m=audio 5000 RTP/AVP 0\r\n");
    assert!(description.check().is_ok());
    description.name = "x\r\na=sendonly\0".into();
    let text = description.write();
    assert!(text.contains("s=xa=sendonly\r\n"), "{text}");
    assert_eq!(description.check().unwrap_err().offset, 1);
    description.name = "x".into();
    description.media[0].attributes.push(voip::proto::sdp::Attribute::new("note", "a\nb"));
    assert!(description.check().is_err());
}

#[test]
fn an_offer_lists_our_codecs_with_maps_ptime_and_direction() {
    let text = offer(&phone(), None).write();
    let expected = "v=0\r\no=- 77 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
        m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
    assert_eq!(text, expected);
}

/// The user agent keeps its last description as text.
#[test]
fn what_we_say_is_the_same_when_it_is_read_again() {
    let us = LocalMedia { ssrc: Some(7), rtcp_mux: true, ..phone() };
    let first = offer(&us, None);
    let held = offer(&LocalMedia { direction: Direction::SendOnly, ..us.clone() }, Some(&first));
    let theirs =
        "m=video 9 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";
    let (answered, _) = answer(&us, &offered(theirs)).unwrap();
    for said in [first, held, answered] {
        assert_eq!(parse(&said.write()), said);
    }
}

#[test]
fn ipv6_stands_in_our_lines_and_is_read_in_theirs() {
    let mut us = phone();
    us.address = "[2001:db8::7]:40000".parse().unwrap();
    let asked =
        parse("v=0\no=x 1 1 IN IP6 2001:db8::1\ns=-\nc=IN IP6 2001:db8::1\nt=0 0\nm=audio 5000 RTP/AVP 0\n");
    let (ours, outcome) = answer(&us, &asked).unwrap();
    assert_eq!(outcome.remote, Some("[2001:db8::1]:5000".parse().unwrap()));
    assert!(ours.write().contains("c=IN IP6 2001:db8::7\r\n"));
    assert!(ours.write().contains("o=- 77 1 IN IP6 2001:db8::7\r\n"));
}

#[test]
fn the_media_level_connection_wins_over_the_session_level_one() {
    let (_, outcome) =
        answer(&phone(), &offered("m=audio 5000 RTP/AVP 0\r\nc=IN IP4 198.51.100.9/127\r\n")).unwrap();
    assert_eq!(outcome.remote, Some("198.51.100.9:5000".parse().unwrap()));
    assert_eq!(outcome.remote_rtcp, Some("198.51.100.9:5001".parse().unwrap()));
}

#[test]
fn the_rtcp_attribute_names_port_and_address() {
    let remote = |line: &str| {
        let asked = offered(&format!("m=audio 5000 RTP/AVP 0\r\n{line}\r\n"));
        answer(&phone(), &asked).unwrap().1.remote_rtcp.map(|a| a.to_string())
    };
    assert_eq!(remote("a=rtcp:53020").as_deref(), Some("192.0.2.1:53020"));
    assert_eq!(remote("a=rtcp:53020 IN IP6 2001:db8::2").as_deref(), Some("[2001:db8::2]:53020"));
    assert_eq!(remote("a=rtcp:nonsense").as_deref(), Some("192.0.2.1:5001"));
}

#[test]
fn static_payload_types_need_no_map_and_a_map_overrides_them() {
    let (_, outcome) = answer(&phone(), &offered("m=audio 5000 RTP/AVP 8\r\n")).unwrap();
    assert_eq!(&*outcome.codecs[0].name, "PCMA");
    // The peer gave 8 another meaning, and PCMA another number.
    let asked = offered("m=audio 5000 RTP/AVP 8 97\r\na=rtpmap:8 SPEEX/8000\r\na=rtpmap:97 pcma/8000/1\r\n");
    let (ours, outcome) = answer(&phone(), &asked).unwrap();
    assert_eq!(types(&outcome.codecs), [97]);
    assert!(ours.write().contains("a=rtpmap:97 PCMA/8000\r\n"));
}

#[test]
fn clock_rate_and_channels_are_part_of_a_codec() {
    let us = local(&[format(10, "L16", 44_100)]);
    let asked = offered("m=audio 5000 RTP/AVP 10\r\n");
    assert_eq!(answer(&us, &asked).unwrap_err(), NegotiateError::NoCommonCodec);
    let us = local(&[PayloadFormat::new(10, "L16", 44_100, 2)]);
    assert_eq!(types(&answer(&us, &asked).unwrap().1.codecs), [10]);
    let asked = offered("m=audio 5000 RTP/AVP 96\r\na=rtpmap:96 PCMU/16000\r\n");
    assert_eq!(answer(&phone(), &asked).unwrap_err(), NegotiateError::NoCommonCodec);
}

#[test]
fn an_answer_keeps_the_order_of_the_offer() {
    let (ours, outcome) = answer(&phone(), &offered("m=audio 5000 RTP/AVP 18 8 3 0\r\n")).unwrap();
    assert_eq!(types(&outcome.codecs), [8, 0]);
    assert_eq!(types(&outcome.receive), [8, 0]);
    assert_eq!(ours.media[0].formats, ["8".into(), "0".into()]);
}

#[test]
fn telephone_events_are_agreed_for_the_clock_of_the_codec_only() {
    let wide = PayloadFormat::new(111, "opus", 48_000, 2);
    let us = local(&[wide, format(0, "PCMU", 8000), format(101, "telephone-event", 8000)]);
    let both = "a=rtpmap:111 opus/48000/2\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-16\r\na=rtpmap:97 telephone-event/48000\r\n";
    let (ours, outcome) =
        answer(&us, &offered(&format!("m=audio 5000 RTP/AVP 111 0 96 97\r\n{both}"))).unwrap();
    assert_eq!(outcome.telephone_event, Some(97));
    assert!(ours.write().contains("a=rtpmap:97 telephone-event/48000\r\na=fmtp:97 0-15\r\n"));
    let (ours, outcome) =
        answer(&us, &offered(&format!("m=audio 5000 RTP/AVP 0 111 96 97\r\n{both}"))).unwrap();
    assert_eq!((outcome.telephone_event, outcome.telephone_event_receive), (Some(96), Some(96)));
    assert_eq!(ours.media[0].formats.last().map(|f| &**f), Some("96"));
    assert!(outcome.codecs.iter().all(|f| &*f.name != "telephone-event"));
}

#[test]
fn events_alone_are_no_codec_in_common() {
    let asked = offered("m=audio 5000 RTP/AVP 18 101\r\na=rtpmap:101 telephone-event/8000\r\n");
    assert_eq!(answer(&phone(), &asked).unwrap_err(), NegotiateError::NoCommonCodec);
}

#[test]
fn without_an_acceptable_audio_line_there_is_no_audio() {
    for line in
        ["", "m=video 5000 RTP/AVP 31\r\n", "m=audio 0 RTP/AVP 0\r\n", "m=audio 5000 UDP/TLS/RTP/SAVPF 0\r\n"]
    {
        assert_eq!(answer(&phone(), &offered(line)).unwrap_err(), NegotiateError::NoAudio, "{line}");
    }
    for line in ["m=audio 5000 RTP/SAVP 0\r\n", "m=audio 5000 RTP/SAVPF 0\r\n"] {
        assert_eq!(answer(&phone(), &offered(line)).unwrap_err(), NegotiateError::NoSecurity, "{line}");
    }
}

#[test]
fn plain_audio_is_taken_beside_a_secure_line_and_avpf_is_answered_as_avpf() {
    let (ours, outcome) =
        answer(&phone(), &offered("m=audio 5000 RTP/SAVP 0\r\nm=audio 5002 RTP/AVP 0\r\n")).unwrap();
    assert_eq!(outcome.media_index, 1);
    assert_eq!((ours.media[0].port, &*ours.media[0].protocol), (0, "RTP/SAVP"));
    let (ours, _) = answer(&phone(), &offered("m=audio 5000 RTP/AVPF 0\r\n")).unwrap();
    assert_eq!(&*ours.media[0].protocol, "RTP/AVPF");
}

#[test]
fn a_second_audio_stream_is_refused() {
    let (ours, outcome) =
        answer(&phone(), &offered("m=audio 5000 RTP/AVP 0\r\nm=audio 5002 RTP/AVP 8\r\n")).unwrap();
    assert_eq!(outcome.media_index, 0);
    assert_eq!((ours.media[1].port, &ours.media[1].formats), (0, &vec!["8".into()]));
}

#[test]
fn a_stream_without_common_codec_gives_way_to_the_next_one() {
    let (ours, outcome) =
        answer(&phone(), &offered("m=audio 5000 RTP/AVP 18\r\nm=audio 5002 RTP/AVP 8\r\n")).unwrap();
    assert_eq!((outcome.media_index, ours.media[0].port, ours.media[1].port), (1, 0, 40000));
}

#[test]
fn directions_are_mirrored_and_met_with_our_own() {
    use Direction::*;
    let rows = [
        (SendRecv, SendRecv, SendRecv),
        (SendOnly, SendRecv, RecvOnly),
        (RecvOnly, SendRecv, SendOnly),
        (Inactive, SendRecv, Inactive),
        (SendRecv, SendOnly, SendOnly),
        (SendOnly, SendOnly, Inactive),
        (RecvOnly, SendOnly, SendOnly),
        (SendRecv, Inactive, Inactive),
        (SendOnly, RecvOnly, RecvOnly),
    ];
    for (theirs, ours, expected) in rows {
        let us = LocalMedia { direction: ours, ..phone() };
        for text in [
            format!("m=audio 5000 RTP/AVP 0\r\na={}\r\n", theirs.as_str()),
            format!("a={}\r\nm=audio 5000 RTP/AVP 0\r\n", theirs.as_str()),
        ] {
            let (answered, outcome) = answer(&us, &offered(&text)).unwrap();
            assert_eq!(outcome.direction, expected, "{theirs:?} {ours:?}");
            assert_eq!(answered.direction(0), expected, "{theirs:?} {ours:?}");
        }
        let ours_offered = offer(&us, None);
        let reply = offered(&format!("m=audio 5000 RTP/AVP 0\r\na={}\r\n", theirs.as_str()));
        let outcome = accept_answer(&us, &ours_offered, &reply).unwrap();
        assert_eq!(outcome.direction, expected, "answer {theirs:?} to {ours:?}");
    }
}

#[test]
fn hold_by_the_unspecified_address_stops_our_sending() {
    for (kind, address) in [("IP4", "0.0.0.0"), ("IP6", "::")] {
        let asked = offered(&format!("m=audio 5000 RTP/AVP 0\r\nc=IN {kind} {address}\r\n"));
        let (_, outcome) = answer(&phone(), &asked).unwrap();
        assert_eq!(outcome.remote, None);
        assert_eq!(outcome.remote_rtcp, None);
        assert_eq!(outcome.direction, Direction::RecvOnly);
    }
}

#[test]
fn the_peers_ptime_and_maxptime_rule_what_we_send() {
    let ptime = |lines: &str| {
        let asked = offered(&format!("m=audio 5000 RTP/AVP 0\r\n{lines}"));
        let (ours, outcome) = answer(&phone(), &asked).unwrap();
        assert_eq!(ours.media[0].attribute("ptime"), Some(&*outcome.ptime_ms.to_string()));
        outcome.ptime_ms
    };
    assert_eq!(ptime(""), 20);
    assert_eq!(ptime("a=ptime:30\r\n"), 30);
    assert_eq!(ptime("a=maxptime:10\r\n"), 10);
    assert_eq!(ptime("a=ptime:60\r\na=maxptime:40\r\n"), 40);
    assert_eq!(ptime("a=ptime:0\r\n"), 20);
    assert_eq!(ptime("a=ptime:99999999999\r\n"), 20);
    assert_eq!(ptime("a=ptime:4000\r\n"), 120);
    assert_eq!(ptime("a=ptime:20.5\r\n"), 20);
}

#[test]
fn payload_types_may_differ_per_direction() {
    let us =
        local(&[format(98, "G726-32", 8000), format(99, "L16", 8000), format(101, "telephone-event", 8000)]);
    let ours = offer(&us, None);
    let reply = offered(
        "m=audio 5000 RTP/AVP 110 96\r\na=rtpmap:110 G726-32/8000\r\na=rtpmap:96 telephone-event/8000\r\n",
    );
    let outcome = accept_answer(&us, &ours, &reply).unwrap();
    assert_eq!(types(&outcome.codecs), [110]);
    // Ours first; theirs too, for peers that send with the numbers of their answer.
    assert_eq!(types(&outcome.receive), [98, 110]);
    assert_eq!((outcome.telephone_event, outcome.telephone_event_receive), (Some(96), Some(101)));
}

#[test]
fn a_number_of_the_answer_that_our_offer_gave_another_meaning_is_not_received() {
    let us = local(&[format(98, "G726-32", 8000), format(99, "L16", 8000)]);
    let reply = offered("m=audio 5000 RTP/AVP 99\r\na=rtpmap:99 G726-32/8000\r\n");
    let outcome = accept_answer(&us, &offer(&us, None), &reply).unwrap();
    assert_eq!((types(&outcome.codecs), types(&outcome.receive)), (vec![99], vec![98]));
}

#[test]
fn an_answer_without_map_means_what_the_offer_said() {
    let us = local(&[format(97, "iLBC", 8000)]);
    let outcome = accept_answer(&us, &offer(&us, None), &offered("m=audio 5000 RTP/AVP 97\r\n")).unwrap();
    assert_eq!(&*outcome.codecs[0].name, "iLBC");
}

#[test]
fn answers_that_do_not_fit_the_offer_are_errors() {
    let us = phone();
    let ours = offer(&us, None);
    let verdict = |lines: &str| accept_answer(&us, &ours, &offered(lines)).unwrap_err();
    assert_eq!(verdict(""), NegotiateError::BadAnswer);
    assert_eq!(verdict("m=audio 5000 RTP/AVP 0\r\nm=audio 5002 RTP/AVP 0\r\n"), NegotiateError::BadAnswer);
    assert_eq!(verdict("m=video 5000 RTP/AVP 31\r\n"), NegotiateError::BadAnswer);
    assert_eq!(verdict("m=audio 5000 RTP/SAVP 0\r\n"), NegotiateError::BadAnswer);
    assert_eq!(verdict("m=audio 0 RTP/AVP 0\r\n"), NegotiateError::NoAudio);
    assert_eq!(verdict("m=audio 5000 RTP/AVP 18\r\n"), NegotiateError::NoCommonCodec);
    assert_eq!(verdict("m=audio 5000 RTP/AVP 101\r\n"), NegotiateError::NoCommonCodec);
}

#[test]
fn a_new_offer_keeps_lines_and_payload_types_in_place() {
    let asked = offered(
        "m=video 5004 RTP/AVP 31\r\nm=audio 5000 RTP/AVPF 0 96\r\na=rtpmap:96 telephone-event/8000\r\n",
    );
    let us = phone();
    let (answered, _) = answer(&us, &asked).unwrap();
    let again = offer(&us, Some(&answered));
    assert_eq!(again.media.len(), 2);
    assert_eq!((again.media[0].port, &*again.media[0].kind), (0, "video"));
    assert_eq!((again.media[1].port, &*again.media[1].protocol), (40000, "RTP/AVPF"));
    assert_eq!(again.media[1].formats, ["0".into(), "8".into(), "96".into()]);
    assert_eq!(again.origin.version, answered.origin.version + 1);
}

#[test]
fn a_new_codec_never_takes_a_number_that_the_session_has_used() {
    let asked = offered("m=audio 5000 RTP/AVP 0 97\r\na=rtpmap:97 telephone-event/8000\r\n");
    let us =
        local(&[format(0, "PCMU", 8000), format(97, "iLBC", 8000), format(101, "telephone-event", 8000)]);
    let (answered, _) = answer(&us, &asked).unwrap();
    let again = offer(&us, Some(&answered));
    let formats = payload_formats(&again.media[0]);
    assert_eq!(formats.iter().find(|f| f.is("telephone-event")).unwrap().payload_type, 97);
    let moved = formats.iter().find(|f| f.is("iLBC")).unwrap().payload_type;
    assert!((96..=127).contains(&moved) && moved != 97, "{moved}");
}

#[test]
fn comfort_noise_is_taken_beside_a_codec_of_its_clock() {
    let us = local(&[format(0, "PCMU", 8000), format(13, "CN", 8000)]);
    let (_, outcome) = answer(&us, &offered("m=audio 5000 RTP/AVP 13 0\r\n")).unwrap();
    assert_eq!(types(&outcome.codecs), [0, 13]);
}

#[test]
fn a_host_name_in_the_connection_leaves_the_address_open_but_not_the_direction() {
    let (_, outcome) =
        answer(&phone(), &offered("m=audio 5000 RTP/AVP 0\r\nc=IN IP4 media.example.com\r\n")).unwrap();
    assert_eq!((outcome.remote, outcome.direction), (None, Direction::SendRecv));
}

#[test]
fn rtcp_shares_the_port_of_rtp_only_where_both_sides_say_so() {
    let (plain, mux) = (phone(), LocalMedia { rtcp_mux: true, ..phone() });
    for (us, them, agreed) in
        [(&mux, &mux, true), (&mux, &plain, false), (&plain, &mux, false), (&plain, &plain, false)]
    {
        let says = |d: &SessionDescription| d.media[0].attribute("rtcp-mux").is_some();
        let ours = offer(us, None);
        assert_eq!(says(&ours), us.rtcp_mux);
        let (theirs, outcome) = answer(them, &ours).unwrap();
        assert_eq!((says(&theirs), outcome.rtcp_mux), (agreed, agreed));
        assert_eq!(accept_answer(us, &ours, &theirs).unwrap().rtcp_mux, agreed);
    }
    let uninvited = offered("m=audio 5000 RTP/AVP 0\r\na=rtcp-mux\r\n");
    assert!(!accept_answer(&plain, &offer(&plain, None), &uninvited).unwrap().rtcp_mux);
}
