//! Messages in the log at DEBUG, with credentials masked.

use crate::proto::sip::Peer;
use log::Level;

const TARGET: &str = "voip::sip";

pub(super) fn sent(to: Peer, bytes: &[u8]) {
    if log::log_enabled!(target: TARGET, Level::Debug) {
        log::debug!(target: TARGET, "sent {} bytes to {}\n{}", bytes.len(), to.address, masked(bytes));
    }
}

pub(super) fn received(from: Peer, bytes: &[u8]) {
    if log::log_enabled!(target: TARGET, Level::Debug) {
        log::debug!(target: TARGET, "received {} bytes from {}\n{}", bytes.len(), from.address, masked(bytes));
    }
}

/// The text with the values of `Authorization` and `Proxy-Authorization` (and their folded lines) replaced.
pub(super) fn masked(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut hiding = false;
    for line in text.split_inclusive('\n') {
        if hiding && line.starts_with([' ', '\t']) {
            continue;
        }
        hiding = false;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_never_reach_the_log_even_when_folded() {
        let text = masked(
            b"A: 1\r\nauthorization: Digest x=\"s\"\r\n y=secret\r\nB: 2\r\nProxy-Authorization : z\r\n\r\n",
        );
        assert_eq!(text, "A: 1\r\nauthorization: ***\r\nB: 2\r\nProxy-Authorization : ***\r\n\r\n");
    }
}
