//! Any telephone-events, audio and time in any order: a key begins before it ends, ends once, and never two are held.

use super::bytes::Bytes;
use voip::media::dtmf::{EventReceiver, KeyEvent};
use voip::proto::rtp::{TelephoneEvent, Timestamp};
use voip::util::{Duration, Time};

pub fn run(input: &[u8]) {
    let mut input = Bytes(input);
    let rate = [8000, 16_000, 48_000, 1][usize::from(input.byte()) % 4];
    let mut receiver = EventReceiver::new(rate);
    let (mut now, mut timestamp, mut held) = (Time::from_secs(1), Timestamp(0xffff_f000), None);
    for _ in 0..2000 {
        if input.is_empty() {
            break;
        }
        match input.byte() % 8 {
            0..=3 => {
                let wire = [input.byte() % 24, input.byte(), input.byte(), input.byte()];
                let event = TelephoneEvent::parse(&wire).expect("four bytes");
                for told in receiver.packet(now, timestamp, event).into_iter().flatten() {
                    follow(&mut held, told);
                }
            }
            4 => follow_some(&mut held, receiver.audio(timestamp)),
            5 => timestamp = timestamp.add(u32::from(input.word()) << (input.byte() % 17)),
            6 => {
                now += Duration::from_millis(u64::from(input.byte()));
                follow_some(&mut held, receiver.timeout(now));
                assert!(receiver.deadline().is_none_or(|at| at > now), "time stands still");
            }
            _ => {
                if input.byte() == 0 {
                    follow_some(&mut held, receiver.reset());
                    assert_eq!(held, None);
                }
            }
        }
    }
    now += Duration::from_secs(1);
    follow_some(&mut held, receiver.timeout(now));
    assert_eq!((held, receiver.deadline()), (None, None), "a key is held for ever");
}

fn follow_some(held: &mut Option<char>, told: Option<KeyEvent>) {
    told.into_iter().for_each(|told| follow(held, told));
}

fn follow(held: &mut Option<char>, told: KeyEvent) {
    match told.end {
        false => assert_eq!(held.replace(told.key), None, "two keys are held"),
        true => assert_eq!(held.take(), Some(told.key), "a key ends that was not held"),
    }
}
