//! Batches of datagrams from one socket, with the instant at which the kernel got each.

use super::pages;
use super::udp::from_storage;
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::ptr::NonNull;

/// Room for the kernel's remarks on one datagram: when it came, and how long its segments are.
const CONTROL_WORDS: usize = 8;

/// Room for one batch, made once.
pub struct Receiver {
    buffers: Vec<u8>,
    size: usize,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<[u64; CONTROL_WORDS]>,
    // Only pointed to by `headers`, at fixed places on the heap.
    _vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    /// How many of them hold the last batch.
    used: usize,
}

// SAFETY: the pointers lead into the vectors beside them, which are never resized and move with them.
unsafe impl Send for Receiver {}

/// No room at all: stands in while the real one is lent out.
impl Default for Receiver {
    fn default() -> Receiver {
        let (buffers, names, vectors, headers, controls) = Default::default();
        Receiver { buffers, size: 0, names, controls, _vectors: vectors, headers, used: 0 }
    }
}

/// One datagram of a batch.
pub struct Datagram<'a> {
    pub bytes: &'a mut [u8],
    pub from: SocketAddr,
    /// When it came, in nanoseconds of CLOCK_REALTIME, if the socket was asked to say so.
    pub stamp: Option<u64>,
    /// It is several datagrams of this length behind each other, the last one maybe shorter (UDP_GRO).
    pub segment: Option<usize>,
}

impl Receiver {
    /// `count` datagrams of up to `size` bytes (longer ones are cut off, and counted as such by the parsers).
    pub fn new(count: usize, size: usize) -> Receiver {
        let mut buffers = vec![0u8; count * size];
        let mut controls = vec![[0u64; CONTROL_WORDS]; count];
        // SAFETY: all three are plain C data for which zeros are valid.
        let (mut names, mut vectors, mut headers) = unsafe {
            let name: libc::sockaddr_storage = std::mem::zeroed();
            let header: libc::mmsghdr = std::mem::zeroed();
            let vector = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: size };
            (vec![name; count], vec![vector; count], vec![header; count])
        };
        let parts = buffers.chunks_mut(size.max(1)).zip(&mut names).zip(&mut vectors).zip(&mut controls);
        for ((((buffer, name), vector), control), header) in parts.zip(&mut headers) {
            vector.iov_base = buffer.as_mut_ptr().cast();
            header.msg_hdr.msg_name = (name as *mut libc::sockaddr_storage).cast();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
        }
        Receiver { buffers, size, names, controls, _vectors: vectors, headers, used: count }
    }

    /// Gives back what batches have touched; the last one is forgotten. New room would come out of what was just freed, and be
    /// as large.
    pub fn shrink(&mut self) {
        self.clear();
        // SAFETY: the buffers are ours, and nobody wants what is in them.
        unsafe { pages::forget(NonNull::from(&mut *self.buffers).cast(), self.buffers.len()) };
    }

    pub fn capacity(&self) -> usize {
        self.headers.len()
    }

    /// How many came; fewer than `capacity` means that none is left.
    pub fn receive(&mut self, fd: RawFd) -> io::Result<usize> {
        self.clear();
        self.receive_more(fd, self.headers.len())
    }

    /// As `receive`, but no more than `most`, behind those that are there since `clear`: looking for one more than there is
    /// costs, too.
    pub fn receive_more(&mut self, fd: RawFd, most: usize) -> io::Result<usize> {
        let rest = self.headers.get_mut(self.used..).unwrap_or_default();
        let count = rest.len().min(most);
        let flags = libc::MSG_DONTWAIT;
        let n = match rest {
            [] => return Ok(0),
            [one, ..] if count == 1 => {
                // SAFETY: the header's pointers lead to room of the stated size (see `new`).
                let len = unsafe { libc::recvmsg(fd, &mut one.msg_hdr, flags) };
                one.msg_len = len as _;
                if len < 0 {
                    -1
                } else {
                    1
                }
            }
            _ => {
                // SAFETY: `rest` holds `count` headers whose pointers lead to room of the stated size (see `new`).
                unsafe {
                    let none = std::ptr::null_mut();
                    libc::recvmmsg(fd, rest.as_mut_ptr(), count as libc::c_uint, flags as _, none)
                }
            }
        };
        let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
        self.used += n;
        Ok(n)
    }

    /// Forgets what came.
    pub fn clear(&mut self) {
        // They were written to.
        for header in self.headers.iter_mut().take(self.used) {
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_hdr.msg_controllen = (CONTROL_WORDS * 8) as _;
        }
        self.used = 0;
    }
    /// How many came since `clear`.
    pub fn len(&self) -> usize {
        self.used
    }

    /// The datagram at `index` of the last batch, to be changed in place.
    pub fn datagram(&mut self, index: usize) -> Option<Datagram<'_>> {
        let header = self.headers.get(index)?;
        let len = usize::try_from(header.msg_len).ok()?.min(self.size);
        let from = from_storage(self.names.get(index)?)?;
        let (stamp, segment) = match self.controls.get(index) {
            Some([_, STAMP, seconds, ns, ..]) if header.msg_hdr.msg_controllen == STAMP_BYTES as _ => {
                (Some(seconds.wrapping_mul(1_000_000_000).wrapping_add(*ns)), None)
            }
            _ => remarks(&header.msg_hdr),
        };
        let start = index * self.size;
        Some(Datagram { bytes: self.buffers.get_mut(start..start + len)?, from, stamp, segment })
    }
}

/// What follows the length of the only remark there is, as a rule: a stamp of two words.
const STAMP: u64 = {
    let ([a, b, c, d], [e, f, g, h]) = (libc::SOL_SOCKET.to_ne_bytes(), libc::SCM_TIMESTAMPNS.to_ne_bytes());
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
};
const STAMP_BYTES: usize = 4 * size_of::<u64>();

/// When the datagram came, and how long its segments are.
fn remarks(header: &libc::msghdr) -> (Option<u64>, Option<usize>) {
    let (mut stamp, mut segment) = (None, None);
    if header.msg_controllen == 0 {
        return (stamp, segment);
    }
    // SAFETY: the kernel filled the control area that the header describes; the macros stay inside of it.
    let mut at = unsafe { libc::CMSG_FIRSTHDR(header) };
    // SAFETY: as above; null ends the list.
    while let Some(cmsg) = unsafe { at.as_ref() } {
        // SAFETY: the data lies behind its header, within the length that the kernel wrote.
        let data = unsafe { libc::CMSG_DATA(at) };
        match (cmsg.cmsg_level, cmsg.cmsg_type) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                // SAFETY: this remark is a timespec.
                let t = unsafe { data.cast::<libc::timespec>().read_unaligned() };
                stamp = Some((t.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(t.tv_nsec as u64));
            }
            (libc::SOL_UDP, libc::UDP_GRO) => {
                // SAFETY: this remark is an int.
                let length = unsafe { data.cast::<libc::c_int>().read_unaligned() };
                segment = usize::try_from(length).ok().filter(|&n| n > 0);
            }
            _ => {}
        }
        // SAFETY: as above.
        at = unsafe { libc::CMSG_NXTHDR(header, at) };
    }
    (stamp, segment)
}

#[cfg(test)]
mod tests {
    use super::super::{clock, fd::readable, udp};
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_stamp_that_comes_alone_is_read_at_a_glance_and_says_the_same() {
        let bind = "127.0.0.1:0".parse().unwrap();
        let (a, b) = (udp::open(bind, 1 << 16).unwrap(), udp::open(bind, 1 << 16).unwrap());
        udp::stamp_arrivals(b.as_raw_fd());
        udp::send_to(a.as_raw_fd(), b.local_addr().unwrap(), b"now").unwrap();
        let mut receiver = Receiver::new(2, 64);
        assert!(readable(b.as_raw_fd(), 5000));
        assert_eq!(receiver.receive(b.as_raw_fd()).unwrap(), 1);
        let (word, len) = (receiver.controls[0][1], receiver.headers[0].msg_hdr.msg_controllen);
        let slowly = remarks(&receiver.headers[0].msg_hdr);
        let datagram = receiver.datagram(0).unwrap();
        assert_eq!((word, len), (STAMP, STAMP_BYTES as _));
        assert_eq!((datagram.stamp, datagram.segment), slowly);
        let stamps = clock::Stamps::take();
        assert!(datagram.stamp.is_some() && stamps.arrival(datagram.stamp) < stamps.now());
    }
}
