//! RTCP against captured and broken packets, the figures of RFC 3550, and itself.

#[path = "support/pcap.rs"]
mod pcap;
mod support;

use proptest::prelude::*;
use voip::proto::rtcp::compound::{App, Feedback};
use voip::proto::rtcp::sdes::item;
use voip::proto::rtcp::time::{from_compact, round_trip, to_compact, IntervalInput};
use voip::proto::rtcp::*;
use voip::proto::rtp::{classify, PacketKind};
use voip::util::Duration;

fn block(ssrc: u32) -> ReportBlock {
    ReportBlock {
        ssrc,
        fraction_lost: 64,
        cumulative_lost: -3,
        highest_sequence: 0x0001_fffe,
        jitter: 17,
        last_sr: 0xb705_2000,
        delay_since_last_sr: 0x0005_4000,
    }
}

fn sender() -> SenderInfo {
    let ntp = NtpTime::from_parts(0xb44d_b705, 0x2000_0000);
    SenderInfo { ssrc: 7, ntp, rtp_timestamp: 160, packets: 2, octets: 320 }
}

fn metrics() -> VoipMetrics {
    VoipMetrics {
        ssrc: 9,
        loss_rate: 1,
        discard_rate: 2,
        burst_density: 3,
        gap_density: 4,
        burst_duration_ms: 500,
        gap_duration_ms: 6000,
        round_trip_delay_ms: 70,
        end_system_delay_ms: 80,
        signal_level: -20,
        noise_level: -60,
        residual_echo_return_loss: 127,
        gmin: 16,
        r_factor: 90,
        external_r_factor: 127,
        mos_lq: 42,
        mos_cq: 41,
        receiver_config: 0x80,
        jitter_buffer_nominal_ms: 40,
        jitter_buffer_maximum_ms: 120,
        jitter_buffer_absolute_maximum_ms: 65_535,
    }
}

fn write(build: impl FnOnce(&mut RtcpWriter) -> Result<(), WriteError>) -> Vec<u8> {
    let mut buffer = [0xaa; 2048];
    let mut writer = RtcpWriter::new(&mut buffer);
    build(&mut writer).expect("written");
    writer.bytes().to_vec()
}

fn parse(bytes: &[u8]) -> Compound<'_> {
    Compound::parse(bytes, Rule::ReducedSize).unwrap_or_else(|e| panic!("{e:?}"))
}

/// Writes again what a view of a packet says.
fn rewrite(packet: &Packet, writer: &mut RtcpWriter) -> Result<bool, WriteError> {
    match packet {
        Packet::SenderReport(r) if r.extension.is_empty() => {
            writer.sender_report(&r.sender, &r.blocks().collect::<Vec<_>>())?;
        }
        Packet::ReceiverReport(r) if r.extension.is_empty() => {
            writer.receiver_report(r.ssrc, &r.blocks().collect::<Vec<_>>())?;
        }
        Packet::Sdes(s) => {
            let chunks: Vec<(u32, Vec<SdesItem>)> =
                s.chunks().map(|c| (c.ssrc, c.items().collect())).collect();
            let chunks: Vec<(u32, &[SdesItem])> = chunks.iter().map(|(s, i)| (*s, &i[..])).collect();
            writer.sdes(&chunks)?;
        }
        Packet::Bye(b) => writer.bye(&b.sources().collect::<Vec<_>>(), b.reason)?,
        Packet::App(a) => writer.app(a.subtype, a.ssrc, a.name, a.data)?,
        Packet::Feedback(f) => {
            writer.feedback(f.packet_type, f.format, f.sender_ssrc, f.media_ssrc, f.information)?;
        }
        Packet::Xr(x) => writer.xr(x.ssrc, |w| {
            x.blocks().try_for_each(|b| match b {
                XrBlock::ReceiverReferenceTime(ntp) => w.receiver_reference_time(ntp),
                XrBlock::Dlrr(d) => w.dlrr(&d.items().collect::<Vec<_>>()),
                XrBlock::VoipMetrics(m) => w.voip_metrics(&m),
                XrBlock::Unknown { kind, specific, body } => w.raw(kind, specific, body),
            })
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

#[test]
fn a_compound_of_all_kinds_is_read_as_it_was_written() {
    let bytes = write(|w| {
        w.sender_report(&sender(), &[block(8), block(9)])?;
        w.cname(7, b"alice@example.org")?;
        w.xr(7, |x| {
            x.receiver_reference_time(NtpTime(0x0102_0304_0506_0708))?;
            x.dlrr(&[DlrrItem { ssrc: 8, last_rr: 1, delay: 2 }, DlrrItem::default()])?;
            x.voip_metrics(&metrics())?;
            x.raw(99, 5, &[1, 2, 3, 4])
        })?;
        w.app(3, 7, *b"TEST", &[1, 2, 3, 4])?;
        w.feedback(206, 1, 7, 8, &[])?;
        w.bye(&[7, 8], Some(b"done"))
    });
    let compound = Compound::parse(&bytes, Rule::Compound).unwrap();
    let packets: Vec<Packet> = compound.packets().collect();
    let [Packet::SenderReport(sr), Packet::Sdes(sdes), Packet::Xr(xr), Packet::App(app), Packet::Feedback(fb), Packet::Bye(bye)] =
        packets[..]
    else {
        panic!("{packets:?}")
    };
    assert_eq!(sr.sender, sender());
    assert_eq!(sr.blocks().collect::<Vec<_>>(), [block(8), block(9)]);
    assert_eq!(sdes.cname(7), Some(&b"alice@example.org"[..]));
    assert_eq!(sdes.cname(8), None);
    let blocks: Vec<XrBlock> = xr.blocks().collect();
    assert_eq!(blocks[0], XrBlock::ReceiverReferenceTime(NtpTime(0x0102_0304_0506_0708)));
    let XrBlock::Dlrr(dlrr) = blocks[1] else { panic!("{blocks:?}") };
    assert_eq!(dlrr.items().count(), 2);
    assert_eq!(dlrr.items().next(), Some(DlrrItem { ssrc: 8, last_rr: 1, delay: 2 }));
    assert_eq!(blocks[2], XrBlock::VoipMetrics(metrics()));
    assert_eq!(blocks[3], XrBlock::Unknown { kind: 99, specific: 5, body: &[1, 2, 3, 4] });
    assert_eq!(app, App { subtype: 3, ssrc: 7, name: *b"TEST", data: &[1, 2, 3, 4] });
    let feedback = Feedback { packet_type: 206, format: 1, sender_ssrc: 7, media_ssrc: 8, information: &[] };
    assert_eq!(fb, feedback);
    assert_eq!((bye.sources().collect::<Vec<_>>(), bye.reason), (vec![7, 8], Some(&b"done"[..])));
}

#[test]
fn a_reduced_size_packet_needs_its_rule() {
    let bytes = write(|w| w.bye(&[7], None));
    let error = Compound::parse(&bytes, Rule::Compound).unwrap_err();
    assert_eq!((error.offset, error.expected), (0, "a report as the first packet"));
    assert!(Compound::parse(&bytes, Rule::ReducedSize).is_ok());
    let empty = write(|w| w.receiver_report(7, &[]));
    assert!(Compound::parse(&empty, Rule::Compound).is_ok());
}

#[test]
fn padding_stands_at_the_end_only() {
    let mut buffer = [0xff; 64];
    let mut writer = RtcpWriter::new(&mut buffer);
    writer.receiver_report(7, &[]).unwrap();
    assert_eq!(writer.pad(3), Err(WriteError::Range));
    writer.pad(8).unwrap();
    assert_eq!(writer.receiver_report(7, &[]), Err(WriteError::Range));
    assert_eq!(writer.pad(8), Err(WriteError::Range));
    let bytes = writer.bytes().to_vec();
    assert_eq!(bytes.len(), 16);
    assert_eq!(parse(&bytes).padding(), 8);
    let twice = [bytes.clone(), bytes.clone()].concat();
    let error = Compound::parse(&twice, Rule::Compound).unwrap_err();
    assert_eq!((error.offset, error.expected), (0, "padding in the last packet only"));
    for bad in [0, 3, 16] {
        let mut bytes = bytes.clone();
        bytes[15] = bad;
        assert!(Compound::parse(&bytes, Rule::Compound).is_err(), "{bad}");
    }
}

#[test]
fn a_parse_error_tells_the_offset_of_the_packet_and_what_was_expected() {
    let good = write(|w| {
        w.receiver_report(7, &[block(8)])?;
        w.cname(7, b"x")
    });
    let error = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        let e = Compound::parse(&bytes, Rule::Compound).unwrap_err();
        (e.offset, e.expected)
    };
    assert_eq!(error(&|b| b.clear()), (0, "a packet"));
    assert_eq!(error(&|b| b[0] = 0x41), (0, "version 2"));
    assert_eq!(error(&|b| b[0] = 0x82), (0, "as many report blocks as counted"));
    assert_eq!(error(&|b| b.truncate(34)), (32, "four bytes of header"));
    assert_eq!(error(&|b| b.truncate(40)), (32, "a packet within the datagram"));
    assert_eq!(error(&|b| b[32] = 0x82), (32, "as many whole source descriptions as counted"));
    assert_eq!(error(&|b| b[41] = 9), (32, "as many whole source descriptions as counted"));
    let bye = |b: &mut Vec<u8>| (b[33], b[40]) = (203, 9);
    assert_eq!(error(&bye), (32, "the reason within the BYE"));
    assert_eq!(error(&|b| b[33] = 207), (32, "a whole block in the extended report"));
}

#[test]
fn a_writer_refuses_what_does_not_fit_and_keeps_what_was_there() {
    let mut buffer = [0; 40];
    let mut writer = RtcpWriter::new(&mut buffer);
    writer.receiver_report(1, &[]).unwrap();
    let before = writer.bytes().to_vec();
    let many = vec![block(1); 32];
    assert_eq!(writer.receiver_report(1, &many), Err(WriteError::Range));
    assert_eq!(writer.receiver_report(1, &many[..31]), Err(WriteError::Space));
    assert_eq!(writer.cname(1, &[b'x'; 256]), Err(WriteError::Range));
    let zero = [SdesItem { kind: 0, value: b"" }];
    assert_eq!(writer.sdes(&[(1, &zero)]), Err(WriteError::Range));
    assert_eq!(writer.app(32, 1, *b"NAME", &[]), Err(WriteError::Range));
    assert_eq!(writer.app(1, 1, *b"NAME", &[1]), Err(WriteError::Range));
    assert_eq!(writer.feedback(200, 1, 1, 1, &[]), Err(WriteError::Range));
    assert_eq!(writer.bye(&[1], Some(&[b'x'; 300])), Err(WriteError::Range));
    assert_eq!(writer.xr(1, |x| x.raw(1, 0, &[1])), Err(WriteError::Range));
    assert_eq!(writer.bytes(), before);
    writer.bye(&[1], None).unwrap();
    assert_eq!(writer.len(), 16);
}

#[test]
fn cumulative_losses_have_a_sign_and_24_bits() {
    for (lost, read) in [
        (-1, -1),
        (0x7f_ffff, 0x7f_ffff),
        (-0x80_0000, -0x80_0000),
        (i32::MAX, 0x7f_ffff),
        (i32::MIN, -0x80_0000),
    ] {
        let bytes = write(|w| w.receiver_report(1, &[ReportBlock { cumulative_lost: lost, ..block(2) }]));
        let Some(Packet::ReceiverReport(report)) = parse(&bytes).packets().next() else { panic!() };
        let back = report.blocks().next().unwrap();
        assert_eq!((back.cumulative_lost, back.fraction_lost), (read, 64));
    }
}

#[test]
fn source_descriptions_end_on_words_whatever_the_length_of_their_items() {
    for length in 0..=9 {
        let name = vec![b'n'; length];
        let bytes = write(|w| {
            let first = [SdesItem { kind: item::CNAME, value: &name }];
            let second =
                [SdesItem { kind: item::TOOL, value: b"t" }, SdesItem { kind: item::NOTE, value: b"" }];
            w.sdes(&[(1, &first), (2, &second), (3, &[])])
        });
        let Some(Packet::Sdes(sdes)) = parse(&bytes).packets().next() else { panic!() };
        let chunks: Vec<_> = sdes.chunks().collect();
        assert_eq!(chunks.iter().map(|c| c.ssrc).collect::<Vec<_>>(), [1, 2, 3], "{length}");
        assert_eq!(chunks[0].item(item::CNAME), Some(&name[..]));
        assert_eq!(
            (chunks[1].item(item::TOOL), chunks[1].item(item::NOTE)),
            (Some(&b"t"[..]), Some(&b""[..]))
        );
        assert_eq!(chunks[2].items().count(), 0);
    }
}

#[test]
fn captured_packets_are_framed_as_an_independent_reader_saw_them() {
    let folder = support::vectors().map(|v| v.join("04_rtp/packets")).filter(|f| f.is_dir());
    let Some(folder) = folder else { return println!("no corpus here") };
    let (mut count, mut whole, mut rewritten) = (0, 0, 0);
    for case in support::cases(&folder) {
        let bytes = case.file(&folder);
        let parsed = Compound::parse(&bytes, Rule::ReducedSize);
        count += 1;
        let described = case.get("described").get("packets").list();
        if !case.id().contains("rtcp") && described.is_empty() {
            continue;
        }
        match case.get("verdict").text() {
            Some("valid") => assert!(parsed.is_ok(), "{}: {parsed:?}", case.id()),
            Some("invalid") => assert!(parsed.is_err(), "{}", case.id()),
            _ => {}
        }
        let Ok(compound) = parsed else { continue };
        whole += 1;
        assert_eq!(compound.packets().count(), described.len(), "{}", case.id());
        let mut buffer = [0; 4096];
        let mut writer = RtcpWriter::new(&mut buffer);
        let all = compound.packets().all(|p| rewrite(&p, &mut writer).unwrap_or(false));
        // Bytes that a reader skips (padding, surplus words, what stands in unused zeros) may differ.
        if all && compound.padding() == 0 && writer.bytes() == bytes {
            rewritten += 1;
        }
    }
    println!("{count} packets, {whole} whole RTCP, {rewritten} written again byte for byte");
    assert!(count == 109 && whole >= 30 && rewritten >= 20, "{count} {whole} {rewritten}");
}

#[test]
fn rtcp_of_captured_calls_is_read() {
    let folder = support::vectors().map(|v| v.join("04_rtp/pcap")).filter(|f| f.is_dir());
    let Some(folder) = folder else { return println!("no corpus here") };
    let (mut datagrams, mut packets) = (0, 0);
    for case in support::cases(&folder) {
        let expected = case.get("frames_by_protocol").get("rtcp").number().unwrap_or(0.0) as usize;
        let payloads = pcap::udp_payloads(&case.file(&folder));
        let read: Vec<Compound> = payloads
            .iter()
            .filter(|p| classify(p) == PacketKind::Rtcp)
            .filter_map(|p| Compound::parse(p, Rule::ReducedSize).ok())
            .collect();
        // The capture of a crash holds RTCP that is broken on purpose.
        if !case.id().contains("crash") {
            assert_eq!(read.len(), expected, "{}", case.id());
        }
        datagrams += read.len();
        packets += read.iter().map(|c| c.packets().count()).sum::<usize>();
    }
    println!("{datagrams} datagrams of RTCP, {packets} packets");
    assert!(datagrams >= 5 && packets > datagrams, "{datagrams} {packets}");
}

/// RFC 3550 section 6.4.1, figure 2.
#[test]
fn the_round_trip_of_the_rfcs_figure_comes_out() {
    let arrival = NtpTime::from_parts(0xb44d_b710, 0x8000_0000);
    assert_eq!(arrival.compact(), 0xb710_8000);
    let trip = round_trip(arrival, 0xb705_2000, 0x0005_4000).unwrap();
    assert_eq!(trip, Duration::from_millis(6125));
    assert_eq!(round_trip(arrival, 0, 5), None);
    assert_eq!(round_trip(arrival, 0xb710_8000, 1), None, "a negative one");
}

#[test]
fn ntp_times_follow_the_wall_clock_and_wrap() {
    let ntp = NtpTime::from_unix(Duration::from_millis(1500));
    assert_eq!((ntp.seconds(), ntp.fraction()), (2_208_988_801, 0x8000_0000));
    let late = NtpTime::from_parts(u32::MAX, 0x8000_0000);
    let later = NtpTime::from_parts(0, 0x8000_0000);
    assert_eq!(later.since(late), Duration::from_secs(1));
    assert_eq!(late.since(later), Duration::ZERO);
    assert_eq!(from_compact(0x0001_8000), Duration::from_millis(1500));
    assert_eq!(to_compact(Duration::from_millis(1500)), 0x0001_8000);
    assert_eq!(to_compact(Duration::from_secs(1_000_000)), u32::MAX);
}

#[test]
fn the_interval_of_reports_scales_with_members_and_has_its_least() {
    let two = IntervalInput {
        members: 2,
        senders: 2,
        rtcp_bandwidth: 400.0,
        we_sent: true,
        average_bytes: 100.0,
        initial: false,
        minimum: Duration::from_secs(5),
    };
    assert_eq!(two.deterministic(), Duration::from_secs(5));
    assert_eq!(IntervalInput { initial: true, ..two }.deterministic(), Duration::from_millis(2500));
    // 1,000 receivers share three quarters: 999 * 100 / 300 s; the one sender has a quarter alone.
    let crowd = IntervalInput { members: 1000, senders: 1, we_sent: false, ..two };
    assert_eq!(crowd.deterministic(), Duration::from_secs(333));
    assert_eq!(IntervalInput { we_sent: true, ..crowd }.deterministic(), Duration::from_secs(5));
    // Many senders share all of it.
    let talk = IntervalInput { members: 1000, senders: 500, ..two };
    assert_eq!(talk.deterministic(), Duration::from_secs(250));
    let bounds = [0, u32::MAX].map(|random| two.randomised(random).as_secs_f64());
    assert!(
        (bounds[0] - 2.5 / 1.21828).abs() < 1e-6 && (bounds[1] - 7.5 / 1.21828).abs() < 1e-6,
        "{bounds:?}"
    );
    let odd = IntervalInput { members: 0, senders: 9, rtcp_bandwidth: 0.0, average_bytes: f64::MAX, ..two };
    assert!(odd.deterministic() <= Duration::from_secs(86_400));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_at_all_are_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), pt in 199u8..210) {
        let _ = Compound::parse(&bytes, Rule::Compound);
        // Framed well, so that the contents are looked at.
        bytes.resize(bytes.len() / 4 * 4 + 8, 0);
        let words = (bytes.len() / 4 - 1) as u16;
        bytes[0] = 0x80 | bytes[0] & 0x3f;
        bytes[1] = pt;
        bytes[2..4].copy_from_slice(&words.to_be_bytes());
        if let Ok(compound) = Compound::parse(&bytes, Rule::ReducedSize) {
            let mut buffer = [0; 512];
            let mut writer = RtcpWriter::new(&mut buffer);
            for packet in compound.packets() {
                if rewrite(&packet, &mut writer).unwrap_or(false) {
                    // What a view says, written and viewed again, says the same.
                    let again = writer.bytes().to_vec();
                    let back = Compound::parse(&again, Rule::ReducedSize).unwrap();
                    let mut second = [0; 512];
                    let mut second = RtcpWriter::new(&mut second);
                    prop_assert!(rewrite(&back.packets().next().unwrap(), &mut second).unwrap());
                    prop_assert_eq!(second.bytes(), &again[..]);
                }
            }
        }
    }
}
