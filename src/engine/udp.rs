//! UDP sockets: opening with the options we want, batches in and out, ICMP errors, the route to a peer.

use super::socket_name::SocketName;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::OnceLock;

/// Non-blocking, closed on exec. `[::]` takes IPv4 too; addresses are canonical on our side of it.
pub fn open(bind: SocketAddr, buffer_bytes: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(bind), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if let SocketAddr::V6(v6) = bind {
        // A system without IPv4 may refuse; IPv6 alone is what remains then.
        let _ = socket.set_only_v6(!v6.ip().is_unspecified());
    }
    if usual_buffer(&socket) < 2 * buffer_bytes {
        // The kernel clips these to its limits, and the default will do too.
        let _ = socket.set_recv_buffer_size(buffer_bytes);
        let _ = socket.set_send_buffer_size(buffer_bytes);
    }
    socket.bind(&bind.into())?;
    Ok(socket.into())
}

/// What the system gives to every socket, as it counts: twice the bytes that are asked for.
fn usual_buffer(socket: &Socket) -> usize {
    static USUAL: OnceLock<usize> = OnceLock::new();
    let smaller = || socket.recv_buffer_size().unwrap_or(0).min(socket.send_buffer_size().unwrap_or(0));
    *USUAL.get_or_init(smaller)
}

/// Asks for ICMP errors on the socket's error queue, where they name the destination that they are about.
pub fn report_errors(socket: &UdpSocket, bind: SocketAddr) {
    if bind.is_ipv6() {
        set_int(socket.as_raw_fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1);
    }
    set_int(socket.as_raw_fd(), libc::IPPROTO_IP, libc::IP_RECVERR, 1);
}

/// Has the kernel say when each datagram came in; nothing is lost where it can't.
pub fn stamp_arrivals(fd: RawFd) {
    set_int(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1);
}

/// Has the kernel hand over runs of equally long datagrams as one, where it has them so (UDP_GRO).
pub fn take_runs(fd: RawFd) {
    set_int(fd, libc::SOL_UDP, libc::UDP_GRO, 1);
}

/// Sends with DF set, which spares the kernel the choice of an identification for fragments. For datagrams that every
/// path carries whole.
pub fn never_fragment(fd: RawFd) {
    set_int(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO);
}

/// The system's own way again, in which datagrams that are too long for a path go in fragments.
pub fn fragment_again(fd: RawFd) {
    set_int(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_WANT);
}

fn set_int(fd: RawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option's value is an int that lives until the call returns.
    unsafe { libc::setsockopt(fd, level, name, (&value as *const i32).cast(), len) };
}

/// Our address towards a peer, as the kernel's routes say it. None: no route.
pub fn local_address_towards(peer: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match peer {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let probe = UdpSocket::bind((any, 0)).ok()?;
    // Connecting a UDP socket sends nothing; the port only must not be 0.
    probe.connect((peer, 9)).ok()?;
    probe.local_addr().ok().map(|a| a.ip()).filter(|ip| !ip.is_unspecified())
}

pub(super) fn from_storage(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let at = storage as *const libc::sockaddr_storage;
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that it is one, and the storage is large enough and aligned for it.
            let v4 = unsafe { &*at.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::new(ip.into(), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { &*at.cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            if let Some(v4) = ip.to_ipv4_mapped() {
                return Some(SocketAddr::new(v4.into(), port));
            }
            Some(SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// The address as a socket of this family wants it: IPv4 is mapped for a dual IPv6 socket.
pub fn for_family(to: SocketAddr, ipv6: bool) -> SocketAddr {
    match to {
        SocketAddr::V4(v4) if ipv6 => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into(),
        other => other,
    }
}

/// One datagram, without waiting. The destination must be of the socket's family (`for_family`).
pub fn send_to(fd: RawFd, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
    let (data, name) = (datagram.as_ptr().cast(), SocketName::new(to));
    // SAFETY: the bytes and the name live until the call returns.
    let sent =
        unsafe { libc::sendto(fd, data, datagram.len(), libc::MSG_NOSIGNAL, name.as_ptr(), name.len()) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// As `send_to`, on a connected socket to its peer.
pub fn send(fd: RawFd, datagram: &[u8]) -> io::Result<()> {
    // SAFETY: the bytes live until the call returns.
    let sent = unsafe { libc::send(fd, datagram.as_ptr().cast(), datagram.len(), libc::MSG_NOSIGNAL) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// From now on only datagrams from there come in. The peer must be of the socket's family (`for_family`).
pub fn connect(fd: RawFd, peer: SocketAddr) -> io::Result<()> {
    let name = SocketName::new(peer);
    // SAFETY: the name lives until the call returns.
    if unsafe { libc::connect(fd, name.as_ptr(), name.len()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// From everywhere again, at the address that it was bound to, and at the port if that was named.
pub fn disconnect(fd: RawFd) {
    let nobody = libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };
    // SAFETY: the name lives until the call returns.
    unsafe { libc::connect(fd, &nobody, size_of_val(&nobody) as libc::socklen_t) };
}

/// Sends datagrams in order with as few system calls as possible; answers how many left and what stopped the rest.
/// The destinations must be of the socket's family (`for_family`).
pub fn send_batch<B: AsRef<[u8]>>(fd: RawFd, datagrams: &[(SocketAddr, B)]) -> (usize, Option<io::Error>) {
    let mut names: Vec<_> = datagrams.iter().map(|(to, _)| SocketName::new(*to)).collect();
    let mut vectors: Vec<libc::iovec> = datagrams
        .iter()
        .map(|(_, b)| libc::iovec { iov_base: b.as_ref().as_ptr() as *mut _, iov_len: b.as_ref().len() })
        .collect();
    let mut headers: Vec<libc::mmsghdr> = Vec::with_capacity(datagrams.len());
    for (name, vector) in names.iter_mut().zip(&mut vectors) {
        // SAFETY: plain C data for which zeros are valid.
        let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        header.msg_hdr.msg_namelen = name.len();
        header.msg_hdr.msg_name = name.as_mut_ptr();
        header.msg_hdr.msg_iov = vector;
        header.msg_hdr.msg_iovlen = 1;
        headers.push(header);
    }
    let mut sent = 0;
    while let Some(rest) = headers.get_mut(sent..).filter(|r| !r.is_empty()) {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: the headers point into `names`, `vectors` and the datagrams, which outlive the call.
        let n = unsafe { libc::sendmmsg(fd, rest.as_mut_ptr(), rest.len() as u32, flags as _) };
        match usize::try_from(n) {
            Ok(n) if n > 0 => sent += n,
            _ => return (sent, Some(io::Error::last_os_error())),
        }
    }
    (sent, None)
}

/// The destination that the next error on the socket's queue is about. None: no more errors.
pub fn next_error(fd: RawFd) -> Option<(Option<SocketAddr>, i32)> {
    // SAFETY: plain C data for which zeros are valid.
    let (mut name, mut header): (libc::sockaddr_storage, libc::msghdr) = unsafe { std::mem::zeroed() };
    let mut control = [0u64; 64];
    header.msg_name = (&mut name as *mut libc::sockaddr_storage).cast();
    header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    // SAFETY: the header points at room of the stated sizes; no data is asked for.
    let n = unsafe { libc::recvmsg(fd, &mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) };
    if n < 0 {
        return None;
    }
    let known = header.msg_namelen > 0;
    Some((if known { from_storage(&name) } else { None }, error_number(&header)))
}

fn error_number(header: &libc::msghdr) -> i32 {
    // SAFETY: the kernel filled the control area that the header describes; the macros stay inside of it.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(header);
        while let Some(cmsg) = at.as_ref() {
            let level = (cmsg.cmsg_level, cmsg.cmsg_type);
            if level == (libc::IPPROTO_IP, libc::IP_RECVERR)
                || level == (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
            {
                let data = libc::CMSG_DATA(at).cast::<libc::sock_extended_err>();
                return data.read_unaligned().ee_errno as i32;
            }
            at = libc::CMSG_NXTHDR(header, at);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::super::fd::readable;
    use super::super::receiver::Receiver;
    use super::*;

    #[test]
    fn a_batch_arrives_whole_and_in_order() {
        for bind in ["127.0.0.1:0", "[::1]:0"] {
            let bind: SocketAddr = bind.parse().unwrap();
            let Ok(a) = open(bind, 1 << 16) else { continue };
            let b = open(bind, 1 << 16).unwrap();
            let to = b.local_addr().unwrap();
            let batch: Vec<_> = (0..5u8).map(|i| (to, vec![i; 3 + usize::from(i)])).collect();
            assert_eq!(send_batch(a.as_raw_fd(), &batch).0, 5);
            let mut receiver = Receiver::new(8, 64);
            assert!(readable(b.as_raw_fd(), 5000));
            assert_eq!(receiver.receive(b.as_raw_fd()).unwrap(), 5);
            for (i, (_, sent)) in batch.iter().enumerate() {
                let datagram = receiver.datagram(i).unwrap();
                assert_eq!((&*datagram.bytes, datagram.from), (&sent[..], a.local_addr().unwrap()));
                assert_eq!((datagram.stamp, datagram.segment), (None, None));
            }
            let again = receiver.receive(b.as_raw_fd()).unwrap_err();
            assert_eq!(again.kind(), io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn an_icmp_error_names_the_destination_that_nobody_listens_at() {
        let bind: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let socket = open(bind, 1 << 16).unwrap();
        report_errors(&socket, bind);
        let gone = open(bind, 1 << 16).unwrap().local_addr().unwrap();
        send_batch(socket.as_raw_fd(), &[(gone, b"x")]);
        let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: 0, revents: 0 };
        // SAFETY: one pollfd.
        assert_eq!(unsafe { libc::poll(&mut poll, 1, 5000) }, 1);
        assert_eq!(next_error(socket.as_raw_fd()), Some((Some(gone), libc::ECONNREFUSED)));
        assert_eq!(next_error(socket.as_raw_fd()), None);
    }

    /// At a port that is named, as those of streams are.
    fn named(bind: SocketAddr) -> Option<UdpSocket> {
        (0..20).find_map(|_| {
            let free = open(bind, 1 << 16).ok()?.local_addr().ok()?.port();
            open(SocketAddr::new(bind.ip(), free), 1 << 16).ok()
        })
    }

    fn next_of(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut receiver = Receiver::new(4, 64);
        assert!(readable(socket.as_raw_fd(), 5000));
        assert_eq!(receiver.receive(socket.as_raw_fd()).unwrap(), 1);
        let datagram = receiver.datagram(0).unwrap();
        (datagram.bytes.to_vec(), datagram.from)
    }

    #[test]
    fn a_socket_that_was_connected_is_where_it_was_and_hears_everybody_again() {
        for (bind, peers) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("0.0.0.0:0", "127.0.0.1:0"),
            ("[::1]:0", "[::1]:0"),
            ("[::]:0", "[::1]:0"),
            ("[::]:0", "127.0.0.1:0"),
        ] {
            let (bind, peers): (SocketAddr, SocketAddr) = (bind.parse().unwrap(), peers.parse().unwrap());
            let (Some(socket), Some(peer)) = (named(bind), named(peers)) else { continue };
            let (other, fd, before) =
                (named(peers).unwrap(), socket.as_raw_fd(), socket.local_addr().unwrap());
            let to = SocketAddr::new(peers.ip(), before.port());
            let (peer_at, other_at) = (peer.local_addr().unwrap(), other.local_addr().unwrap());
            let wire = for_family(peer_at, bind.is_ipv6());
            for _ in 0..2 {
                connect(fd, wire).unwrap();
                send(fd, b"mine").unwrap();
                assert_eq!(next_of(&peer), (b"mine".to_vec(), to));
                // What others send does not even reach it.
                send_to(other.as_raw_fd(), to, b"lost").unwrap();
                send_to(peer.as_raw_fd(), to, b"yours").unwrap();
                assert_eq!(next_of(&socket), (b"yours".to_vec(), peer_at));
                disconnect(fd);
                assert_eq!(socket.local_addr().unwrap(), before);
                send_to(other.as_raw_fd(), to, b"heard").unwrap();
                assert_eq!(next_of(&socket), (b"heard".to_vec(), other_at));
                send_to(fd, wire, b"still").unwrap();
                assert_eq!(next_of(&peer), (b"still".to_vec(), to));
            }
        }
    }

    #[test]
    fn the_way_to_loopback_starts_at_loopback() {
        let home: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(local_address_towards(home), Some(home));
    }
}
