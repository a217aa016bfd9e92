//! From bytes to an index of spans (RFC 3261 section 7, 18.3 and 25.1).
//!
//! The common message is walked once where it lies and then copied. Folded lines, stray carriage
//! returns and bytes that aren't UTF-8 are rare: such a head is rewritten first, then walked.

use super::{
    CSeqState, Content, Framing, HeaderName, Line, Message, Method, ParseError, Span, Start,
    MAX_HEADER_LINES, MAX_MESSAGE_BYTES,
};
use crate::proto::sip::text::{self, error, is_token_byte};
use crate::util::{find_byte, find_line_end};

pub(super) fn parse(input: &[u8]) -> Result<Message, ParseError> {
    let skipped = input.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let message = &input[skipped..];
    if message.is_empty() {
        return Err(ParseError::KEEP_ALIVE);
    }
    if message.len() > MAX_MESSAGE_BYTES {
        return Err(error(MAX_MESSAGE_BYTES, "a message of at most 65535 bytes"));
    }
    match walk(message).map_err(|e| e.shifted(skipped))? {
        Walk::Done(index) => index.finish(message),
        Walk::Rewrite => {
            let rewritten = rewrite(message);
            match walk(&rewritten).map_err(|e| e.shifted(skipped))? {
                Walk::Done(index) => index.finish(&rewritten),
                // A rewritten head has neither folds nor stray returns.
                Walk::Rewrite => Err(error(skipped, "header lines")),
            }
            .map_err(|e| e.shifted(skipped))
        }
    }
}

/// What a walk over the head found.
struct Index<'a> {
    lines: Vec<Line>,
    start: Start,
    method: Option<Method>,
    cseq: CSeqState,
    content_length: ContentLength,
    body_at: usize,
    /// The line before the body ends without a carriage return.
    bare_feeds: bool,
    /// Head and body, if both are text.
    text: Option<&'a str>,
}

enum Walk<'a> {
    Done(Index<'a>),
    Rewrite,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ContentLength {
    None,
    Bytes(usize),
    Malformed,
    Twice,
}

/// One line: its content's end and the start of the next one.
struct LineEnd {
    end: usize,
    next: usize,
    stray_return: bool,
}

fn line_end(bytes: &[u8], from: usize) -> LineEnd {
    let rest = bytes.get(from..).unwrap_or(&[]);
    let Some(found) = find_line_end(rest) else {
        return LineEnd { end: bytes.len(), next: bytes.len(), stray_return: false };
    };
    let end = from + found;
    match (bytes.get(end), bytes.get(end + 1)) {
        (Some(b'\n'), _) => LineEnd { end, next: end + 1, stray_return: false },
        (_, Some(b'\n')) => LineEnd { end, next: end + 2, stray_return: false },
        (_, None) => LineEnd { end, next: end + 1, stray_return: false },
        _ => LineEnd { end, next: end + 1, stray_return: true },
    }
}

fn walk(bytes: &[u8]) -> Result<Walk<'_>, ParseError> {
    let first = line_end(bytes, 0);
    if first.stray_return {
        return Ok(Walk::Rewrite);
    }
    let (start, method) = start_line(bytes, first.end)?;
    let mut index = Index {
        lines: Vec::with_capacity(24),
        start,
        method,
        cseq: CSeqState::Missing,
        content_length: ContentLength::None,
        body_at: bytes.len(),
        bare_feeds: false,
        text: None,
    };
    let mut at = first.next;
    while let Some(&byte) = bytes.get(at) {
        let line = line_end(bytes, at);
        if line.stray_return || matches!(byte, b' ' | b'\t') {
            return Ok(Walk::Rewrite);
        }
        if line.end == at {
            index.body_at = line.next;
            index.bare_feeds = line.next == at + 1;
            break;
        }
        header_line(bytes, at, line.end, &mut index)?;
        at = line.next;
    }
    // All at once as a rule; a body may be what it likes.
    index.text = core::str::from_utf8(bytes).ok();
    match index.text.is_some() || core::str::from_utf8(&bytes[..index.body_at]).is_ok() {
        true => Ok(Walk::Done(index)),
        false => Ok(Walk::Rewrite),
    }
}

/// Unfolds (RFC 3261 section 7.3.1), turns stray carriage returns into spaces and makes the head UTF-8.
fn rewrite(bytes: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len() + 16);
    let mut at = 0;
    let (mut body_at, mut blank) = (bytes.len(), b"\r\n".as_slice());
    while at < bytes.len() {
        let line = line_end(bytes, at);
        if line.end == at && !line.stray_return {
            body_at = line.next;
            blank = &bytes[at..line.next];
            break;
        }
        at = push_line(bytes, at, line, &mut out);
    }
    out.extend_from_slice(blank);
    let mut out = match String::from_utf8(out) {
        Ok(head) => head.into_bytes(),
        Err(bad) => String::from_utf8_lossy(bad.as_bytes()).into_owned().into_bytes(),
    };
    out.extend_from_slice(&bytes[body_at..]);
    out
}

/// Appends the line at `at`, to the line before it when it is its continuation; gives the next line's start.
fn push_line(bytes: &[u8], mut at: usize, mut line: LineEnd, out: &mut Vec<u8>) -> usize {
    let blank = |b: u8| matches!(b, b' ' | b'\t' | b'\r');
    if !out.is_empty() && blank(bytes[at]) {
        while out.last().is_some_and(u8::is_ascii_whitespace) {
            out.pop();
        }
        out.push(b' ');
        while at < line.end && blank(bytes[at]) {
            at += 1;
        }
    }
    while line.stray_return {
        out.extend_from_slice(&bytes[at..line.end]);
        out.push(b' ');
        at = line.next;
        line = line_end(bytes, at);
    }
    out.extend_from_slice(&bytes[at..line.end]);
    out.extend_from_slice(b"\r\n");
    line.next
}

fn span(at: usize, end: usize) -> Span {
    // Offsets fit: a message is at most 64 KiB, thrice that when it had to be made UTF-8.
    Span { at: at as u32, len: end.saturating_sub(at) as u32 }
}

/// The piece of `bytes[at..end]` without white space around it.
fn trimmed(bytes: &[u8], mut at: usize, mut end: usize) -> Span {
    while at < end && matches!(bytes[at], b' ' | b'\t') {
        at += 1;
    }
    while end > at && matches!(bytes[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    span(at, end)
}

fn start_line(bytes: &[u8], end: usize) -> Result<(Start, Option<Method>), ParseError> {
    let line = &bytes[..end];
    let word = line.iter().take_while(|b| is_token_byte(**b)).count();
    match line.get(word) {
        Some(b'/') if line[..word].eq_ignore_ascii_case(b"SIP") => status_line(bytes, end).map(|s| (s, None)),
        Some(b' ') if word > 0 => request_line(bytes, word, end),
        _ => Err(error(word, "a method or SIP/2.0")),
    }
}

/// `SIP/` digits `.` digits.
fn is_version(text: &[u8]) -> bool {
    let Some((protocol, number)) = text.split_at_checked(4) else { return false };
    let mut parts = number.split(|b| *b == b'.');
    let digits =
        |part: Option<&[u8]>| part.is_some_and(|p| !p.is_empty() && p.iter().all(u8::is_ascii_digit));
    protocol.eq_ignore_ascii_case(b"SIP/")
        && digits(parts.next())
        && digits(parts.next())
        && parts.next().is_none()
}

/// `SIP/2.0 200 OK`; the reason may be missing (RFC 4475 section 3.1.1.13).
fn status_line(bytes: &[u8], end: usize) -> Result<Start, ParseError> {
    let line = &bytes[..end];
    let version_end = memchr::memchr(b' ', line).unwrap_or(end);
    if !is_version(&line[..version_end]) {
        return Err(error(0, "SIP/2.0"));
    }
    let rest = trimmed(bytes, version_end, end);
    let at = rest.at as usize;
    let digits = line[at..].iter().take_while(|b| b.is_ascii_digit()).count();
    let status = line[at..at + digits.min(3)].iter().fold(0, |n, b| n * 10 + u16::from(b - b'0'));
    let ends = matches!(line.get(at + digits), None | Some(b' ' | b'\t'));
    if digits != 3 || !ends || !(100..700).contains(&status) {
        return Err(error(at, "a status from 100 to 699"));
    }
    let reason = trimmed(bytes, at + digits, end);
    Ok(Start::Response { status, reason, version: span(0, version_end) })
}

/// `INVITE sip:x SIP/2.0`; white space in excess is forgiven around the URI, what stands in it is
/// for `validate` to see.
fn request_line(bytes: &[u8], word: usize, end: usize) -> Result<(Start, Option<Method>), ParseError> {
    let rest = trimmed(bytes, word, end);
    let (at, end) = (rest.at as usize, (rest.at + rest.len) as usize);
    let space = memchr::memrchr2(b' ', b'\t', &bytes[at..end]).ok_or(error(end, "a URI and SIP/2.0"))?;
    let version = span(at + space + 1, end);
    if !is_version(&bytes[version.at as usize..end]) {
        return Err(error(version.at as usize, "SIP/2.0"));
    }
    let uri = trimmed(bytes, at, at + space);
    let method = Method::from_token(core::str::from_utf8(&bytes[..word]).unwrap_or(""));
    Ok((Start::Request { uri, version }, Some(method)))
}

/// A line without a name and a colon carries nothing that we need: it is skipped (RFC 3261 section 8.2.2).
fn header_line(bytes: &[u8], at: usize, end: usize, index: &mut Index<'_>) -> Result<(), ParseError> {
    let line = &bytes[at..end];
    let Some(colon) = find_byte(line, b':') else { return Ok(()) };
    let mut name = &line[..colon];
    while let [shorter @ .., b' ' | b'\t'] = name {
        name = shorter;
    }
    let Ok(name_len) = u16::try_from(name.len()) else { return Ok(()) };
    let known = HeaderName::from_bytes(name);
    if known == HeaderName::Other && (name.is_empty() || !name.iter().all(|b| is_token_byte(*b))) {
        return Ok(());
    }
    if index.lines.len() == MAX_HEADER_LINES {
        return Err(error(at, "at most 256 header lines"));
    }
    let value = trimmed(bytes, at + colon + 1, end);
    let text = &bytes[value.at as usize..(value.at + value.len) as usize];
    match known {
        HeaderName::ContentLength => index.content_length = content_length(index.content_length, text),
        HeaderName::CSeq if index.cseq == CSeqState::Missing => index.cseq = cseq(text, &mut index.method),
        _ => {}
    }
    index.lines.push(Line { name_at: at as u32, name_len, name: known, value });
    Ok(())
}

fn content_length(before: ContentLength, text: &[u8]) -> ContentLength {
    if before != ContentLength::None {
        return ContentLength::Twice;
    }
    let text = core::str::from_utf8(text).unwrap_or("");
    match text::parse_digits(text).and_then(|n| usize::try_from(n).ok()) {
        Some(bytes) => ContentLength::Bytes(bytes),
        None => ContentLength::Malformed,
    }
}

/// `9 INVITE`; the number is below 2^31 (RFC 3261 section 8.1.1.5). Gives a response its method.
fn cseq(text: &[u8], method: &mut Option<Method>) -> CSeqState {
    let text = core::str::from_utf8(text).unwrap_or("");
    let Some(at) = text.bytes().position(|b| text::is_lws(char::from(b))) else {
        return CSeqState::Malformed;
    };
    let (number, name) = (&text[..at], &text[at + 1..]);
    let name = text::trim(name);
    let number = text::parse_digits(number).and_then(|n| u32::try_from(n).ok()).filter(|n| *n < 1 << 31);
    let Some(number) = number.filter(|_| text::is_token(name)) else { return CSeqState::Malformed };
    match method {
        Some(method) if method.as_str() != name => CSeqState::OtherMethod(number),
        Some(_) => CSeqState::Fine(number),
        None => {
            *method = Some(Method::from_token(name));
            CSeqState::Fine(number)
        }
    }
}

impl Index<'_> {
    fn finish(self, bytes: &[u8]) -> Result<Message, ParseError> {
        let available = bytes.len() - self.body_at;
        let (len, framing) = match self.content_length {
            ContentLength::None => (available, Framing::Fits),
            ContentLength::Bytes(len) if len <= available => (len, Framing::Fits),
            // Line ends were rewritten on the way (RFC 5118's examples are so): the length can't be right.
            ContentLength::Bytes(_) if self.bare_feeds => (available, Framing::Fits),
            ContentLength::Bytes(_) => (available, Framing::TooLong),
            ContentLength::Malformed => (available, Framing::Malformed),
            ContentLength::Twice => (available, Framing::Twice),
        };
        let end = self.body_at + len;
        let text =
            self.text.and_then(|text| text.get(..end)).or_else(|| core::str::from_utf8(&bytes[..end]).ok());
        let content = match text {
            Some(text) => Content::Text(text.into()),
            None => Content::Mixed(bytes[..end].into()),
        };
        Ok(Message {
            content,
            lines: self.lines,
            start: self.start,
            method: self.method.unwrap_or(Method::Other("".into())),
            cseq: self.cseq,
            body: span(self.body_at, end),
            framing,
            found: Default::default(),
        })
    }
}
