//! Datagrams that leave one socket together: one system call for many, and one trip through the kernel's stack for a
//! run of equally long ones to the same place (UDP GSO).

use super::socket_name::SocketName;
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::ptr::null_mut;

/// Datagrams and bytes that are collected before they have to go.
const DATAGRAMS: usize = 64;
const BYTES: usize = DATAGRAMS * 1500;
/// What the kernel takes as one (UDP_MAX_SEGMENTS, and the length of an IP packet).
const RUN: usize = 64;
const RUN_BYTES: usize = 60_000;

struct Waiting {
    to: SocketAddr,
    start: usize,
    len: usize,
}

/// What a header points to.
#[derive(Clone, Copy)]
struct Part {
    name: SocketName,
    vector: libc::iovec,
    control: [u64; 3],
}

/// Room for one batch, made when there is the first datagram for it.
pub struct SendBatch {
    bytes: Vec<u8>,
    waiting: Vec<Waiting>,
    /// For each header, which points there for good.
    parts: Box<[Part]>,
    headers: Box<[libc::mmsghdr]>,
    /// How many of `waiting` each header carries that is laid out.
    runs: Vec<u8>,
    segments: bool,
}

// SAFETY: the headers point into `parts`, which never moves, and those to `bytes` only within `flush`, which writes them anew.
unsafe impl Send for SendBatch {}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Flushed {
    pub packets: u64,
    pub bytes: u64,
    pub errors: u64,
}

impl Default for SendBatch {
    fn default() -> SendBatch {
        let (parts, headers) = Default::default();
        SendBatch { bytes: Vec::new(), waiting: Vec::new(), parts, headers, runs: Vec::new(), segments: true }
    }
}

impl SendBatch {
    #[cold]
    fn make_room(&mut self) {
        let vector = libc::iovec { iov_base: null_mut(), iov_len: 0 };
        let part = Part { name: SocketName::empty(), vector, control: [0; 3] };
        // SAFETY: plain C data for which zeros are valid.
        let header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        let mut parts = vec![part; DATAGRAMS].into_boxed_slice();
        let mut headers = vec![header; DATAGRAMS].into_boxed_slice();
        for (part, header) in parts.iter_mut().zip(&mut headers) {
            header.msg_hdr.msg_name = part.name.as_mut_ptr();
            header.msg_hdr.msg_iov = &raw mut part.vector;
            header.msg_hdr.msg_iovlen = 1;
        }
        (self.parts, self.headers) = (parts, headers);
        self.bytes.reserve_exact(BYTES);
        self.waiting.reserve_exact(DATAGRAMS);
        self.runs.reserve_exact(DATAGRAMS);
    }

    /// True: there is no room for another one, `flush` first.
    pub fn is_full(&self, len: usize) -> bool {
        self.waiting.len() >= DATAGRAMS || self.bytes.len() + len > BYTES
    }
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The destination must be of the socket's family.
    pub fn push(&mut self, to: SocketAddr, datagram: &[u8]) {
        if self.headers.is_empty() {
            self.make_room();
        }
        self.waiting.push(Waiting { to, start: self.bytes.len(), len: datagram.len() });
        self.bytes.extend_from_slice(datagram);
    }

    /// Sends all that waits. What the system refuses is lost and counted; the others go.
    pub fn flush(&mut self, fd: RawFd) -> Flushed {
        let mut flushed = Flushed::default();
        self.lay_out();
        let (mut next, mut first) = (0, 0);
        while next < self.runs.len() {
            match self.send_from(fd, next) {
                Ok(sent) => {
                    let runs = self.runs.iter().skip(next).take(sent);
                    let packets = runs.map(|run| usize::from(*run)).sum();
                    let gone = self.waiting.iter().skip(first).take(packets);
                    flushed.bytes += gone.map(|w| w.len as u64).sum::<u64>();
                    flushed.packets += packets as u64;
                    (next, first) = (next + sent, first + packets);
                }
                Err(error) if self.segments && cannot_segment(&error) && self.run(next) > 1 => {
                    // This way out can't: from now on each goes by itself.
                    self.segments = false;
                    self.waiting.drain(..first);
                    self.lay_out();
                    (next, first) = (0, 0);
                }
                Err(_) => {
                    flushed.errors += self.run(next) as u64;
                    first += self.run(next);
                    next += 1;
                }
            }
        }
        self.waiting.clear();
        self.bytes.clear();
        flushed
    }

    /// Gives the room back until it is needed again.
    pub fn shrink(&mut self) {
        if self.is_empty() {
            *self = SendBatch { segments: self.segments, ..SendBatch::default() };
        }
    }

    fn run(&self, index: usize) -> usize {
        self.runs.get(index).map_or(1, |run| usize::from(*run))
    }

    fn lay_out(&mut self) {
        self.runs.clear();
        let mut rest = self.waiting.as_slice();
        for (part, header) in self.parts.iter_mut().zip(&mut self.headers) {
            let Some(first) = rest.first() else { return };
            let count = if self.segments { run_length(first, rest) } else { 1 };
            let (run, later) = rest.split_at(count);
            part.name.set(first.to);
            part.vector.iov_base = self.bytes.as_ptr().wrapping_add(first.start) as *mut _;
            part.vector.iov_len = run.iter().map(|w| w.len).sum();
            let header = &mut header.msg_hdr;
            header.msg_namelen = part.name.len();
            if count > 1 {
                part.control = segment_remark(first.len as u16);
                header.msg_control = part.control.as_mut_ptr().cast();
                header.msg_controllen = size_of_val(&part.control) as _;
            } else {
                (header.msg_control, header.msg_controllen) = (null_mut(), 0);
            }
            self.runs.push(count as u8);
            rest = later;
        }
    }

    fn send_from(&mut self, fd: RawFd, next: usize) -> io::Result<usize> {
        let Some(rest) = self.headers.get_mut(next..self.runs.len()) else { return Ok(0) };
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: the headers point into `parts` and these into `bytes`, which outlive the call.
        let n = unsafe { libc::sendmmsg(fd, rest.as_mut_ptr(), rest.len() as u32, flags as _) };
        match usize::try_from(n) {
            Ok(n) if n > 0 => Ok(n),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// How many at the beginning of `all` go where the first goes, equally long but for the last one.
fn run_length(first: &Waiting, all: &[Waiting]) -> usize {
    let most = RUN.min(RUN_BYTES / first.len.max(1)).max(1);
    let mut count = 1;
    for other in all.iter().take(most).skip(1) {
        if other.to != first.to || other.len > first.len {
            break;
        }
        count += 1;
        if other.len < first.len {
            break;
        }
    }
    count
}

/// No offload on the way out (EIO), a kernel before 4.18 (EINVAL), or a path with a smaller MTU than a segment.
fn cannot_segment(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE | libc::EOPNOTSUPP))
}

/// A control message that says how long the segments are: header, level, type and two bytes, padded to words.
fn segment_remark(len: u16) -> [u64; 3] {
    let mut words = [0u64; 3];
    let at = words.as_mut_ptr();
    // SAFETY: a header of 16 bytes and an u16 behind it fit the three words, which are aligned for both.
    unsafe {
        let header = libc::cmsghdr {
            cmsg_len: libc::CMSG_LEN(2) as _,
            cmsg_level: libc::SOL_UDP,
            cmsg_type: libc::UDP_SEGMENT,
        };
        at.cast::<libc::cmsghdr>().write(header);
        at.add(2).cast::<u16>().write(len);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::fd::readable;
    use super::super::receiver::Receiver;
    use super::super::udp;
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn runs_mixed_destinations_and_lengths_arrive_whole_and_in_order() {
        let bind: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (a, b, c) =
            (udp::open(bind, 1 << 18).unwrap(), udp::open(bind, 1 << 18), udp::open(bind, 1 << 18));
        let sinks = [b.unwrap(), c.unwrap()];
        let addresses = sinks.each_ref().map(|s| s.local_addr().unwrap());
        for segments in [true, false] {
            let mut batch = SendBatch { segments, ..SendBatch::default() };
            let mut sent: [Vec<Vec<u8>>; 2] = Default::default();
            for n in 0..60usize {
                let (sink, len) = (usize::from(n % 20 >= 12), if n % 7 == 6 { 40 } else { 172 });
                let datagram = vec![n as u8; len];
                batch.push(addresses[sink], &datagram);
                sent[sink].push(datagram);
            }
            let bytes = sent.iter().flatten().map(|d| d.len() as u64).sum();
            assert_eq!(batch.flush(a.as_raw_fd()), Flushed { packets: 60, bytes, errors: 0 });
            for (sink, sent) in sinks.iter().zip(&sent) {
                let mut receiver = Receiver::new(64, 2048);
                assert!(readable(sink.as_raw_fd(), 5000));
                assert_eq!(receiver.receive(sink.as_raw_fd()).unwrap(), sent.len());
                for (i, datagram) in sent.iter().enumerate() {
                    assert_eq!(&*receiver.datagram(i).unwrap().bytes, &datagram[..], "{segments}");
                }
            }
        }
    }

    #[test]
    fn a_destination_that_is_refused_does_not_hold_up_the_others() {
        let bind: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let (a, b) = (udp::open(bind, 1 << 18).unwrap(), udp::open(bind, 1 << 18).unwrap());
        let mut batch = SendBatch::default();
        for to in [b.local_addr().unwrap(), "127.0.0.1:0".parse().unwrap(), b.local_addr().unwrap()] {
            batch.push(to, b"voice");
        }
        assert_eq!(batch.flush(a.as_raw_fd()), Flushed { packets: 2, bytes: 10, errors: 1 });
        assert!(batch.is_empty());
        batch.shrink();
        assert_eq!(batch.flush(a.as_raw_fd()), Flushed::default());
        batch.push(b.local_addr().unwrap(), b"more");
        assert_eq!(batch.flush(a.as_raw_fd()), Flushed { packets: 1, bytes: 4, errors: 0 });
    }
}
