//! Messages on a stream: where each ends (RFC 3261 sections 18.3 and 20.14), and the keep-alives between them
//! (RFC 5626 section 4.4.1).
//!
//! Driven by whoever owns the connection: it pushes what came and takes what is whole. Bounded: an end that can't come
//! within the longest message is an error, after which the stream has no meaning any more and is to be closed.

use super::message::MAX_MESSAGE_BYTES;
use super::HeaderName;

/// One thing that was whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// Start line to the end of the body.
    Message(Vec<u8>),
    /// Two line ends: a client wants one back.
    Ping,
}

/// Why nothing more can be read from a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// More than 65535 bytes.
    TooLong,
    /// Content-Length is no number, or stands there twice with different values.
    ContentLength,
}

/// Cuts a stream of bytes into messages.
#[derive(Default, Debug)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Where the buffer's unread part begins.
    start: usize,
    /// Up to here there is no end of the head.
    scanned: usize,
    /// Head and body of the message that has begun.
    wanted: Option<usize>,
    /// One line end came; another one makes it a ping.
    line_end: bool,
}

impl Framer {
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole thing; None: more bytes are needed. To be called until None before more is pushed, or the
    /// buffer grows.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.wanted.is_none() {
            if self.skip_line_ends() {
                return Ok(Some(Frame::Ping));
            }
            self.find_head()?;
        }
        let unread = self.buffer.get(self.start..).unwrap_or(&[]);
        let Some(message) = self.wanted.and_then(|wanted| unread.get(..wanted)) else { return Ok(None) };
        let message = message.to_vec();
        self.start += message.len();
        self.scanned = self.start;
        self.wanted = None;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            // A message of the largest size isn't what the next ones will be like.
            self.buffer.shrink_to(4096);
            (self.start, self.scanned) = (0, 0);
        }
        Ok(Some(Frame::Message(message)))
    }

    /// Has a message begun that is not whole yet?
    pub fn is_partial(&self) -> bool {
        self.wanted.is_some() || self.start < self.buffer.len()
    }
    /// Bytes that are kept.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Drops line ends in front of a message (RFC 3261 section 7.5); true: two of them followed each other.
    fn skip_line_ends(&mut self) -> bool {
        while let Some(&byte) = self.buffer.get(self.start) {
            match byte {
                b'\r' => self.start += 1,
                b'\n' => {
                    self.start += 1;
                    self.line_end = !self.line_end;
                    if !self.line_end {
                        self.scanned = self.start;
                        return true;
                    }
                }
                _ => {
                    self.line_end = false;
                    break;
                }
            }
        }
        self.scanned = self.scanned.max(self.start);
        false
    }

    /// Looks for the empty line that ends the head, and for the length of the body in it.
    fn find_head(&mut self) -> Result<(), FrameError> {
        while let Some(found) = self.buffer.get(self.scanned..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let at = self.scanned + found + 1;
            let end = match (self.buffer.get(at), self.buffer.get(at + 1)) {
                (Some(b'\n'), _) => at + 1,
                (Some(b'\r'), Some(b'\n')) => at + 2,
                // Not to be told yet: this line end is looked at again.
                (None, _) | (Some(b'\r'), None) => break,
                _ => {
                    self.scanned = at;
                    continue;
                }
            };
            let head = self.buffer.get(self.start..end).unwrap_or(&[]);
            let body = content_length(head)?.unwrap_or(0);
            let wanted = head.len().saturating_add(body);
            if wanted > MAX_MESSAGE_BYTES {
                return Err(FrameError::TooLong);
            }
            self.wanted = Some(wanted);
            return Ok(());
        }
        match self.buffer.len() - self.start > MAX_MESSAGE_BYTES {
            true => Err(FrameError::TooLong),
            false => Ok(()),
        }
    }
}

/// What the head says of the body. None: nothing, which on a stream means no body.
fn content_length(head: &[u8]) -> Result<Option<usize>, FrameError> {
    let mut found = None;
    let mut lines = head.split(|&b| b == b'\n').peekable();
    while let Some(line) = lines.next() {
        // A continuation belongs to the line before it.
        if matches!(line.first(), Some(b' ' | b'\t')) {
            continue;
        }
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = line.split_at(colon);
        if HeaderName::from_bytes(name.trim_ascii()) != HeaderName::ContentLength {
            continue;
        }
        let folded = matches!(lines.peek().and_then(|next| next.first()), Some(b' ' | b'\t'));
        let value = value.get(1..).unwrap_or(&[]).trim_ascii();
        let number = core::str::from_utf8(value).ok().filter(|v| !v.is_empty() && !folded);
        let number = number.filter(|v| v.bytes().all(|b| b.is_ascii_digit()));
        let number = number.ok_or(FrameError::ContentLength)?.parse().unwrap_or(usize::MAX);
        if found.is_some_and(|before| before != number) {
            return Err(FrameError::ContentLength);
        }
        found = Some(number);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:a SIP/2.0\r\nVia: x\r\n l: 3\r\nContent-Length : 4\r\n\r\nab\r\n";
    const BARE: &[u8] = b"SIP/2.0 200 OK\nl:2\n\nxy";
    const WITHOUT: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nX: y\r\n\r\n";

    fn all(framer: &mut Framer) -> Vec<Frame> {
        std::iter::from_fn(|| framer.next_frame().expect("frames")).collect()
    }
    fn message(bytes: &[u8]) -> Frame {
        Frame::Message(bytes.to_vec())
    }

    #[test]
    fn a_stream_gives_the_same_frames_wherever_it_is_cut() {
        let stream = [b"\r\n\r\n", INVITE, BARE, b"\r\n", WITHOUT, b"\r\n\r\n", INVITE].concat();
        let expected =
            [Frame::Ping, message(INVITE), message(BARE), message(WITHOUT), Frame::Ping, message(INVITE)];
        for first in 0..=stream.len() {
            for second in [first, (first + 1).min(stream.len()), (first + 40).min(stream.len())] {
                let mut framer = Framer::default();
                let mut frames = Vec::new();
                for piece in [&stream[..first], &stream[first..second], &stream[second..]] {
                    framer.push(piece);
                    frames.extend(all(&mut framer));
                }
                assert_eq!(frames, expected, "cut at {first} and {second}");
                assert!(!framer.is_partial());
            }
        }
        let mut framer = Framer::default();
        let bytes = stream.iter().flat_map(|b| {
            framer.push(&[*b]);
            all(&mut framer)
        });
        assert_eq!(bytes.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn one_line_end_is_no_ping_and_two_with_a_message_between_are_none() {
        let mut framer = Framer::default();
        framer.push(b"\r\n");
        assert_eq!(all(&mut framer), []);
        framer.push(WITHOUT);
        framer.push(b"\r\n");
        assert_eq!(all(&mut framer), [message(WITHOUT)]);
        framer.push(b"\r\n");
        assert_eq!(all(&mut framer), [Frame::Ping]);
    }

    #[test]
    fn a_message_that_says_it_is_too_long_or_never_ends_is_refused() {
        for head in ["l: 65536", "l: 99999999999999999999999999"] {
            let mut framer = Framer::default();
            framer.push(format!("A sip:b SIP/2.0\r\n{head}\r\n\r\n").as_bytes());
            assert_eq!(framer.next_frame(), Err(FrameError::TooLong));
        }
        let mut framer = Framer::default();
        framer.push(&[b'x'; MAX_MESSAGE_BYTES]);
        assert_eq!(framer.next_frame(), Ok(None));
        framer.push(b"x");
        assert_eq!(framer.next_frame(), Err(FrameError::TooLong));
    }

    #[test]
    fn a_length_that_could_be_read_in_two_ways_is_refused() {
        for head in ["l: -1", "l: 1x", "l:", "l: 1, 1", "l: 1\r\nContent-Length: 2", "l: 1\r\n 2"] {
            let mut framer = Framer::default();
            framer.push(format!("A sip:b SIP/2.0\r\n{head}\r\n\r\n").as_bytes());
            assert_eq!(framer.next_frame(), Err(FrameError::ContentLength), "{head}");
        }
    }
}
