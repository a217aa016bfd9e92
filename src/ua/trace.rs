//! Messages in the log at DEBUG, with credentials and keys masked.

use crate::proto::sip::Peer;
use log::Level;

const TARGET: &str = "voip::sip";

pub(super) fn sent(to: Peer, bytes: &[u8]) {
    if log::log_enabled!(target: TARGET, Level::Debug) {
        log::debug!(target: TARGET, "sent {} bytes to {} by {}\n{}", bytes.len(), to.address,
            to.transport.as_str(), masked(bytes));
    }
}

pub(super) fn received(from: Peer, bytes: &[u8]) {
    if log::log_enabled!(target: TARGET, Level::Debug) {
        log::debug!(target: TARGET, "received {} bytes from {} by {}\n{}", bytes.len(), from.address,
            from.transport.as_str(), masked(bytes));
    }
}

/// The text with the values of `Authorization` and `Proxy-Authorization` (and their folded lines) replaced, and what
/// stands behind `a=crypto:` (RFC 4568) and `k=` (RFC 4566) in a description.
pub(super) fn masked(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut hiding = false;
    for line in text.split_inclusive('\n') {
        if hiding && line.starts_with([' ', '\t']) {
            continue;
        }
        hiding = false;
        if let Some(harmless) = before_key(line) {
            out.push_str(harmless);
            out.push_str("***\r\n");
            continue;
        }
        match line.split_once(':') {
            Some((name, _)) if is_secret(name.trim()) => {
                hiding = true;
                out.push_str(name);
                out.push_str(": ***\r\n");
            }
            _ => out.push_str(line),
        }
    }
    out
}

fn is_secret(name: &str) -> bool {
    name.eq_ignore_ascii_case("authorization") || name.eq_ignore_ascii_case("proxy-authorization")
}

/// The harmless beginning of a line that carries a key: tag and suite of a crypto line stay.
fn before_key(line: &str) -> Option<&str> {
    let begins = |kind: &str| line.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
    if begins("k=") {
        return line.get(..2);
    }
    let crypto = "a=crypto:";
    let inline = line.as_bytes().windows(7).position(|w| w.eq_ignore_ascii_case(b"inline:"));
    begins(crypto).then(|| line.get(..inline.unwrap_or(crypto.len()).max(crypto.len()))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_description_never_reach_the_log() {
        let text = masked(
            b"s=-\r\nA=Crypto:1 AES Inline:geheim\r\na=crypto:2 AES geheim\r\nk=clear:secret\r\na=sendrecv\r\n",
        );
        assert_eq!(text, "s=-\r\nA=Crypto:1 AES ***\r\na=crypto:***\r\nk=***\r\na=sendrecv\r\n");
    }

    #[test]
    fn credentials_never_reach_the_log_even_when_folded() {
        let text = masked(
            b"A: 1\r\nauthorization: Digest x=\"s\"\r\n y=secret\r\nB: 2\r\nProxy-Authorization : z\r\n\r\n",
        );
        assert_eq!(text, "A: 1\r\nauthorization: ***\r\nB: 2\r\nProxy-Authorization : ***\r\n\r\n");
    }
}
