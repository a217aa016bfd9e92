//! Codecs and keys against the shared vectors.

mod support;

use voip::media::codec::g711;
use voip::media::dtmf::{EventReceiver, KeyEvent, KeySender, KeyStep};
use voip::proto::rtp::{TelephoneEvent, Timestamp};
use voip::util::Time;

fn words(bytes: &[u8]) -> Vec<i16> {
    bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

#[test]
fn g711_is_exact_over_all_values_of_the_itus_sweep() {
    let Some(folder) = support::vectors().map(|v| v.join("07_codecs/g711")) else { return };
    let read = |name: &str| words(&std::fs::read(folder.join(name)).expect("a vector file"));
    let sweep = read("sweep.src");
    type Encode = fn(&[i16], &mut [u8]) -> usize;
    type Decode = fn(&[u8], &mut [i16]) -> usize;
    let laws: [(&str, Encode, Decode); 2] =
        [("a", g711::alaw_encode, g711::alaw_decode), ("u", g711::ulaw_encode, g711::ulaw_decode)];
    for (law, encode, decode) in laws {
        let want: Vec<u8> = read(&format!("sweep-r.{law}")).iter().map(|w| *w as u8).collect();
        let mut coded = vec![0; sweep.len()];
        assert_eq!(encode(&sweep, &mut coded), sweep.len());
        let wrong = coded.iter().zip(&want).filter(|(a, b)| a != b).count();
        assert_eq!(wrong, 0, "{law}-law: of {} codewords", want.len());
        let mut decoded = vec![0; sweep.len()];
        decode(&want, &mut decoded);
        assert!(decoded == read(&format!("sweep-r.re{law}")), "{law}-law decoded");
    }
    println!("{} values of two laws", sweep.len());
}

fn table5() -> Option<support::Json> {
    let folder = support::vectors()?.join("08_dtmf");
    support::cases(&folder).into_iter().find(|c| c.id() == "rfc4733-s5-table5")
}

#[test]
fn rfc_4733_table_5_is_heard_as_three_keys() {
    let Some(case) = table5() else { return };
    let mut r = EventReceiver::new(8000);
    let mut keys: Vec<KeyEvent> = Vec::new();
    let n = |row: &support::Json, name: &str| row.get(name).number().expect("a number") as u64;
    for row in case.get("expect_sender").list() {
        let now = Time::from_millis(n(row, "send_ms"));
        keys.extend(r.timeout(now));
        let event = TelephoneEvent {
            event: n(row, "event") as u8,
            end: n(row, "end") == 1,
            volume: 10,
            duration: n(row, "duration") as u16,
        };
        keys.extend(r.packet(now, Timestamp(n(row, "rtp_ts") as u32), event).into_iter().flatten());
    }
    let ended: Vec<(char, u32)> = keys.iter().filter(|k| k.end).map(|k| (k.key, k.duration_ms)).collect();
    assert_eq!(ended, [('9', 200), ('1', 250), ('1', 220)]);
    assert_eq!(keys.len(), 6);
}

#[test]
fn a_key_is_sent_on_the_schedule_of_rfc_4733_table_5() {
    let Some(case) = table5() else { return };
    let mut s = KeySender::new(8000);
    s.queue("1", 220, 0, 1).expect("a key");
    let rows = case.get("expect_sender").list();
    let third = &rows[rows.len() - 7..];
    let mut done = Vec::new();
    for (i, row) in third.iter().enumerate() {
        let n = |name: &str| row.get(name).number().expect("a number") as u32;
        let now = Timestamp(11_200 + i as u32 * 400);
        let KeyStep::Event { timestamp, marker, event } = s.step(now, 400, &mut |id| done.push(id)) else {
            panic!("packet {i} is missing")
        };
        assert_eq!((timestamp.0, marker), (n("rtp_ts"), i == 0));
        assert_eq!((u32::from(event.duration), event.end), (n("duration"), n("end") == 1), "packet {i}");
    }
    assert_eq!(s.step(Timestamp(14_000), 400, &mut |id| done.push(id)), KeyStep::Audio);
    assert_eq!(done, [1]);
    assert!(s.is_idle());
}

#[test]
fn a_key_longer_than_sixteen_bits_of_ticks_is_cut_into_segments() {
    let mut s = KeySender::new(8000);
    s.queue("7", 10_000, 0, 1).expect("a key");
    let mut r = EventReceiver::new(8000);
    let mut keys = Vec::new();
    let mut starts = Vec::new();
    for i in 0..600u32 {
        let step = s.step(Timestamp(i * 160), 160, &mut |_| {});
        let KeyStep::Event { timestamp, marker, event } = step else { continue };
        starts.push(timestamp.0);
        assert_eq!(marker, i == 0);
        let now = Time::from_millis(u64::from(i) * 20);
        keys.extend(r.packet(now, timestamp, event).into_iter().flatten());
    }
    starts.dedup();
    assert_eq!(starts, [0, 0xffff]);
    let ends: Vec<_> = keys.iter().filter(|k| k.end).collect();
    assert_eq!(ends, [&KeyEvent { key: '7', duration_ms: 10_000, end: true }]);
}
