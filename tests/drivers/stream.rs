//! Any bytes as a stream of SIP messages, cut anywhere: the same frames as in one piece, and memory with a bound.

use voip::proto::sip::stream::{Frame, FrameError, Framer};

/// What a message, what is read ahead of it and one push can take.
const BOUND: usize = 2 * 65_536;

/// The first two bytes say where it is cut.
pub fn run(input: &[u8]) {
    let [a, b, stream @ ..] = input else { return };
    let (step, first) = (usize::from(*a) % 31 + 1, usize::from(*b).min(stream.len()));
    let whole = read([stream].into_iter());
    let (head, rest) = stream.split_at(first);
    assert_eq!(read([head].into_iter().chain(rest.chunks(step))), whole, "cut at {first}, then every {step}");
}

/// The frames, and the error that ended them.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Frame>, Option<FrameError>) {
    let (mut framer, mut frames) = (Framer::default(), Vec::new());
    for piece in pieces {
        framer.push(piece);
        assert!(framer.buffered() <= BOUND);
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    for frame in &frames {
        let Frame::Message(bytes) = frame else { continue };
        // A message that can be read ends where the parser says that it does.
        if let Ok(message) = voip::proto::sip::Message::parse(bytes) {
            assert!(message.body().len() <= bytes.len());
        }
    }
    (frames, None)
}
