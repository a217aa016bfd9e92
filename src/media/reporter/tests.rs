//! Two reporters and a line between them, in virtual time.

use super::*;
use crate::util::SeededRng;

const EPOCH: u64 = 3_900_000_000 << 32;

fn wall(now: Time) -> NtpTime {
    NtpTime(EPOCH + ((u128::from(now.as_nanos()) << 32) / 1_000_000_000) as u64)
}
fn config(ssrc: u32) -> ReporterConfig {
    let minimum = Duration::from_secs(5);
    ReporterConfig { ssrc, cname: "a@example.com".into(), bandwidth: 64_000, minimum }
}
fn said(packets: u32) -> Option<Said> {
    Some(Said { packets, octets: packets * 160, rtp_timestamp: packets * 160 })
}
fn heard(ssrc: u32, expected: u64, received: u64) -> Option<Heard> {
    Some(Heard { ssrc, highest: expected as u32, expected, received, jitter: 12, clock_rate: 8000 })
}

struct End {
    reporter: Reporter,
    rng: SeededRng,
    out: [u8; MAX_REPORT],
}

impl End {
    fn new(ssrc: u32, seed: u64) -> End {
        let mut rng = SeededRng::new(seed);
        End { reporter: Reporter::new(Time::ZERO, config(ssrc), &mut rng), rng, out: [0; MAX_REPORT] }
    }
    /// Runs to the next report.
    fn report(&mut self, said: Option<Said>, heard: Option<Heard>) -> (Time, Vec<u8>) {
        for _ in 0..1000 {
            let now = self.reporter.next_deadline();
            let End { reporter, rng, out } = self;
            if let Some(n) = reporter.handle_deadline(now, wall(now), said, heard, rng, out) {
                return (now, out[..n].to_vec());
            }
        }
        panic!("no report in a thousand deadlines");
    }
    fn hear(&mut self, now: Time, bytes: &[u8]) -> bool {
        self.reporter.handle_packet(now, wall(now), bytes, &mut self.rng)
    }
}

fn first<'a>(bytes: &'a [u8]) -> Packet<'a> {
    let compound = Compound::parse(bytes, Rule::Compound).expect("a whole compound");
    compound.packets().next().expect("a packet")
}

#[test]
fn reports_come_at_randomised_intervals_around_five_seconds_and_the_first_one_sooner() {
    let mut firsts = Vec::new();
    for seed in 0..50 {
        let mut end = End::new(1, seed);
        let mut last = Time::ZERO;
        for n in 0..20 {
            let (now, _) = end.report(said(n), heard(2, 100, 100));
            let gap = now.since(last).as_secs_f64();
            // RFC 3550 section 6.3.1: between half and one and a half, over 1.21828; the first half as long.
            let scale = if n == 0 { 0.5 } else { 1.0 };
            assert!(gap >= scale * 5.0 * 0.5 / 1.21828 - 1e-6, "seed {seed}: {gap}");
            assert!(gap <= 5.0 * 1.5 / 1.21828 + 1e-6, "seed {seed}: {gap}");
            if n == 0 {
                firsts.push(now);
            }
            last = now;
        }
    }
    firsts.dedup();
    assert!(firsts.len() > 40, "the instants must differ from seed to seed");
}

#[test]
fn a_reduced_minimum_is_kept_and_the_bandwidth_bounds_it() {
    let mut rng = SeededRng::new(3);
    let quick = ReporterConfig { minimum: Duration::from_millis(100), ..config(1) };
    let mut end = End { reporter: Reporter::new(Time::ZERO, quick, &mut rng), rng, out: [0; MAX_REPORT] };
    let mut last = Time::ZERO;
    let (mut bytes, mut count) = (0, 0);
    for n in 1..200 {
        let (now, report) = end.report(said(n), heard(2, 100, u64::from(n)));
        bytes += report.len() + 28;
        count += 1;
        last = now;
    }
    // Two members share 5 % of 64 kbit/s: 400 bytes a second.
    let rate = bytes as f64 / last.as_nanos() as f64 * 1e9;
    assert!(rate > 120.0 && rate < 280.0, "{rate} bytes a second, {count} reports");
}

#[test]
fn who_has_sent_sends_a_sender_report_and_who_has_not_a_receiver_report() {
    let mut end = End::new(7, 1);
    let (now, bytes) = end.report(said(50), None);
    let Packet::SenderReport(report) = first(&bytes) else { panic!("a sender report first") };
    assert_eq!((report.sender.ssrc, report.sender.packets, report.sender.octets), (7, 50, 8000));
    assert_eq!(report.sender.ntp, wall(now));
    let (_, bytes) = end.report(said(50), None);
    assert!(matches!(first(&bytes), Packet::ReceiverReport(r) if r.ssrc == 7), "nothing was sent since");
    let (_, bytes) = end.report(said(51), None);
    assert!(matches!(first(&bytes), Packet::SenderReport(_)));
    let compound = Compound::parse(&bytes, Rule::Compound).expect("a compound");
    let Some(Packet::Sdes(sdes)) = compound.packets().nth(1) else { panic!("a description second") };
    let chunk = sdes.chunks().next().expect("a chunk");
    assert_eq!((chunk.ssrc, chunk.item(1)), (7, Some(&b"a@example.com"[..])));
}

#[test]
fn loss_and_jitter_are_told_for_the_interval_and_for_the_whole() {
    let mut end = End::new(7, 1);
    let block = |bytes: &[u8]| match first(bytes) {
        Packet::ReceiverReport(r) => r.blocks().next().expect("a block"),
        other => panic!("{other:?}"),
    };
    let told = block(&end.report(None, heard(9, 100, 75)).1);
    assert_eq!((told.fraction_lost, told.cumulative_lost, told.jitter), (64, 25, 12));
    let told = block(&end.report(None, heard(9, 200, 175)).1);
    assert_eq!((told.fraction_lost, told.cumulative_lost), (0, 25));
    let told = block(&end.report(None, heard(9, 300, 280)).1);
    assert_eq!((told.fraction_lost, told.cumulative_lost), (0, 20), "duplicates are no negative fraction");
    let told = block(&end.report(None, heard(10, 8, 4)).1);
    assert_eq!((told.ssrc, told.fraction_lost, told.cumulative_lost), (10, 128, 4), "another source");
}

#[test]
fn the_round_trip_is_what_the_line_takes_there_and_back() {
    let (there, back) = (Duration::from_millis(30), Duration::from_millis(45));
    let (mut a, mut b) = (End::new(1, 1), End::new(2, 2));
    let (sent, report) = a.report(said(10), None);
    assert!(b.hear(sent + there, &report));
    assert_eq!(b.reporter.sync(Some(1)).map(|s| s.arrival), Some(sent + there));
    // Somewhen later b reports about what it heard.
    b.reporter.next = sent + there + Duration::from_secs(3);
    b.reporter.last = sent;
    let (answered, report) = b.report(None, heard(1, 10, 10));
    assert!(answered > sent + there);
    assert!(a.hear(answered + back, &report));
    let trip = a.reporter.stats().round_trip.expect("a round trip");
    let off = trip.abs_diff(there + back);
    assert!(off < Duration::from_micros(50), "{trip:?}");
    assert_eq!(a.reporter.stats().reports_about_us, 1);
}

#[test]
fn a_timestamp_has_its_place_on_the_senders_wall_clock_across_the_wrap() {
    let mut end = End::new(1, 1);
    let mut buffer = [0; 100];
    let mut writer = RtcpWriter::new(&mut buffer);
    let at = NtpTime::from_parts(3_900_000_000, 0);
    let sender = SenderInfo { ssrc: 5, ntp: at, rtp_timestamp: u32::MAX - 3999, packets: 1, octets: 1 };
    writer.sender_report(&sender, &[]).expect("room");
    assert!(end.hear(Time::from_secs(9), writer.bytes()));
    let sync = end.reporter.sync(None).expect("a mapping");
    assert_eq!((sync.ssrc, sync.arrival), (5, Time::from_secs(9)));
    assert_eq!(sync.ntp_of(4000, 8000), NtpTime::from_parts(3_900_000_001, 0));
    assert_eq!(sync.ntp_of(u32::MAX - 7999, 8000), NtpTime::from_parts(3_899_999_999, 1 << 31));
}

#[test]
fn who_leaves_says_goodbye_with_a_report_and_who_was_never_there_says_nothing() {
    let mut end = End::new(1, 1);
    let End { reporter, out, .. } = &mut end;
    let now = Time::from_millis(10);
    assert_eq!(reporter.bye(now, wall(now), None, None, None, out), None);
    let n = reporter.bye(now, wall(now), said(3), None, Some("over"), out).expect("a goodbye");
    let compound = Compound::parse(&out[..n], Rule::Compound).expect("a compound");
    assert!(matches!(compound.packets().next(), Some(Packet::SenderReport(_))));
    let Some(Packet::Bye(bye)) = compound.packets().last() else { panic!("a goodbye last") };
    assert_eq!((bye.sources().collect::<Vec<_>>(), bye.reason), (vec![1], Some(&b"over"[..])));
    let mut other = End::new(2, 2);
    assert!(other.hear(now, &out[..n]));
    assert_eq!(other.reporter.stats().byes, 1);
    assert_eq!(other.reporter.sync(Some(1)), None, "who left is forgotten");
}

#[test]
fn strangers_fill_a_bounded_table_and_never_push_out_the_stream() {
    let mut end = End::new(1, 1);
    let report = |ssrc| {
        let mut buffer = [0; 64];
        let mut writer = RtcpWriter::new(&mut buffer);
        let info = SenderInfo { ssrc, ntp: NtpTime(1 << 40), ..SenderInfo::default() };
        writer.sender_report(&info, &[]).expect("room");
        writer.bytes().to_vec()
    };
    end.hear(Time::from_millis(1), &report(42));
    end.report(None, heard(42, 10, 10));
    let now = end.reporter.last;
    for ssrc in 1000..5000 {
        end.hear(now, &report(ssrc));
    }
    assert!(end.reporter.sync(None).is_some_and(|s| s.ssrc == 42));
    assert!(!end.hear(now, b"\x80\xc8 nonsense"));
    assert_eq!(end.reporter.stats().discarded, 1);
}
