//! One STUN Binding request over a socket of its own (RFC 8489 sections 6.2 and 9.2), on the caller's thread.

use super::clock::OsRng;
use super::error::{Error, ErrorKind, Result};
use crate::proto::stun::message::frame_length;
use crate::proto::stun::{self, Client, ClientConfig, Credentials, Failure, Outcome};
use crate::util::Time;
use std::io::{ErrorKind as Io, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

/// Longest answer that is read.
const MAX_ANSWER: usize = 4096;
/// A server that sends us elsewhere more often than this is asked no more.
const MAX_ALTERNATES: usize = 3;

/// How the server is asked.
#[derive(Clone, Default)]
pub struct StunOptions {
    pub tcp: bool,
    /// Local address and port; None: any.
    pub bind: Option<SocketAddr>,
    /// User and password for servers that want long-term credentials.
    pub credentials: Option<(String, String)>,
    /// First retransmission interval; None: the RFC's 500 ms.
    pub rto: Option<Duration>,
}

/// What a server told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StunAnswer {
    /// Our address as the server saw it.
    pub mapped: SocketAddr,
    pub local: SocketAddr,
    pub server: SocketAddr,
    /// None when more than one request was sent: nobody knows which one was answered.
    pub round_trip: Option<Duration>,
}

/// Asks a server (`host`, `host:port`, `[v6]:port`) for our address. Name look-up is the system's and not under the
/// time-out; without one the RFC's schedule ends it after 39.5 s.
pub fn stun_query(server: &str, options: &StunOptions, timeout: Option<Duration>) -> Result<StunAnswer> {
    let clock = Clock(Instant::now());
    let deadline = timeout.map_or(Time::MAX, |t| clock.now() + t);
    let mut address = resolve(server, options.bind)?;
    for _ in 0..=MAX_ALTERNATES {
        let outcome = match options.tcp {
            true => ask_tcp(address, options, &clock, deadline)?,
            false => ask_udp(address, options, &clock, deadline)?,
        };
        let (local, outcome) = outcome;
        match outcome {
            Outcome::Mapped { address: mapped, round_trip } => {
                return Ok(StunAnswer { mapped, local, server: address, round_trip })
            }
            Outcome::Failed(Failure::TryAlternate { server, .. })
                if server.is_ipv4() == address.is_ipv4() =>
            {
                address = server;
            }
            Outcome::Failed(failure) => return Err(refused(address, &failure)),
        }
    }
    Err(Error::new(ErrorKind::Protocol, format!("{server} leads from one alternate server to the next")))
}

struct Clock(Instant);

impl Clock {
    fn now(&self) -> Time {
        Time::ZERO + self.0.elapsed()
    }
    /// How long to wait for the next of two instants; at least a moment, as sockets read 0 as for ever.
    fn wait(&self, next: Time, deadline: Time) -> Duration {
        next.min(deadline).since(self.now()).max(Duration::from_millis(1))
    }
}

fn resolve(server: &str, bind: Option<SocketAddr>) -> Result<SocketAddr> {
    let bare = server.strip_prefix('[').and_then(|s| s.strip_suffix(']')).unwrap_or(server);
    let found: Vec<SocketAddr> = match (bare.parse::<IpAddr>(), server.parse::<SocketAddr>()) {
        (Ok(ip), _) => vec![SocketAddr::new(ip, stun::PORT)],
        (_, Ok(address)) => vec![address],
        _ => {
            let (host, port) = match server.rsplit_once(':') {
                Some((host, port)) => {
                    let bad = || Error::new(ErrorKind::Argument, format!("server \"{server}\": bad port"));
                    (host, port.parse().map_err(|_| bad())?)
                }
                None => (server, stun::PORT),
            };
            let failed = |e| Error::new(ErrorKind::Dns, format!("{host} was not found: {e}"));
            (host, port).to_socket_addrs().map_err(failed)?.collect()
        }
    };
    let fits = |a: &&SocketAddr| bind.is_none_or(|b| b.is_ipv4() == a.is_ipv4());
    let none = || Error::new(ErrorKind::Dns, format!("{server} has no address of the local family"));
    found.iter().find(fits).copied().ok_or_else(none)
}

fn client(options: &StunOptions, now: Time) -> Client {
    let mut config = ClientConfig { reliable: options.tcp, ..ClientConfig::default() };
    if let Some(rto) = options.rto {
        config.rto = rto;
    }
    config.credentials = options.credentials.as_ref().map(|(user, password)| Credentials {
        user: user.as_str().into(),
        password: password.clone().into(),
    });
    Client::new(now, &mut OsRng::new(), config)
}

fn any_of_family(server: SocketAddr) -> SocketAddr {
    let ip: IpAddr = match server.is_ipv4() {
        true => Ipv4Addr::UNSPECIFIED.into(),
        false => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, 0)
}

type Told = (SocketAddr, Outcome);

fn ask_udp(server: SocketAddr, options: &StunOptions, clock: &Clock, deadline: Time) -> Result<Told> {
    let bind = options.bind.unwrap_or(any_of_family(server));
    let socket = UdpSocket::bind(bind).map_err(|e| Error::system(&format!("bind {bind}"), &e))?;
    // Connected: the kernel drops what others send, and tells us that nobody listens there.
    socket.connect(server).map_err(|e| Error::system(&format!("connect to {server}"), &e))?;
    let local = socket.local_addr().map_err(|e| Error::system("local address", &e))?;
    let mut client = client(options, clock.now());
    let mut buf = [0; MAX_ANSWER];
    loop {
        while let Some(request) = client.poll_transmit() {
            match socket.send(&request) {
                Err(e) if e.kind() != Io::ConnectionRefused => return Err(Error::system("send", &e)),
                _ => {}
            }
        }
        let Some(next) = client.next_deadline() else { break };
        check(clock, deadline, server)?;
        let wait = clock.wait(next, deadline);
        socket.set_read_timeout(Some(wait)).map_err(|e| Error::system("receive time-out", &e))?;
        match socket.recv(&mut buf) {
            Ok(n) => {
                client.on_message(clock.now(), &mut OsRng::new(), buf.get(..n).unwrap_or(&[]));
            }
            Err(e) if is_wait(e.kind()) => client.on_deadline(clock.now()),
            Err(e) if e.kind() == Io::ConnectionRefused => {
                let text = format!("nobody listens at {server}");
                return Err(Error::new(ErrorKind::Unreachable, text));
            }
            Err(e) => return Err(Error::system("receive", &e)),
        }
    }
    outcome(&client, local)
}

fn ask_tcp(server: SocketAddr, options: &StunOptions, clock: &Clock, deadline: Time) -> Result<Told> {
    let mut stream = connect(server, options, clock, deadline)?;
    let local = stream.local_addr().map_err(|e| Error::system("local address", &e))?;
    let mut client = client(options, clock.now());
    let mut pending: Vec<u8> = Vec::new();
    let mut buf = [0; MAX_ANSWER];
    loop {
        while let Some(request) = client.poll_transmit() {
            stream.write_all(&request).map_err(|e| Error::system("send", &e))?;
        }
        let Some(next) = client.next_deadline() else { break };
        check(clock, deadline, server)?;
        let wait = clock.wait(next, deadline);
        stream.set_read_timeout(Some(wait)).map_err(|e| Error::system("receive time-out", &e))?;
        match stream.read(&mut buf) {
            Ok(0) => {
                let text = format!("{server} closed the connection without an answer");
                return Err(Error::new(ErrorKind::Protocol, text));
            }
            Ok(n) => pending.extend_from_slice(buf.get(..n).unwrap_or(&[])),
            Err(e) if is_wait(e.kind()) => client.on_deadline(clock.now()),
            Err(e) => return Err(Error::system("receive", &e)),
        }
        while let Some(end) = frame_length(&pending).filter(|end| *end <= pending.len()) {
            let message: Vec<u8> = pending.drain(..end).collect();
            client.on_message(clock.now(), &mut OsRng::new(), &message);
        }
        if pending.len() > MAX_ANSWER {
            return Err(Error::new(ErrorKind::Protocol, format!("{server} sends no STUN")));
        }
    }
    outcome(&client, local)
}

fn connect(server: SocketAddr, options: &StunOptions, clock: &Clock, deadline: Time) -> Result<TcpStream> {
    let failed = |e: &std::io::Error| match e.kind() {
        Io::TimedOut | Io::WouldBlock => {
            Error::new(ErrorKind::Timeout, format!("{server} took no connection in time"))
        }
        Io::ConnectionRefused => Error::new(ErrorKind::Unreachable, format!("nobody listens at {server}")),
        _ => Error::system(&format!("connect to {server}"), e),
    };
    let kind = socket2::Type::STREAM;
    let socket = socket2::Socket::new(socket2::Domain::for_address(server), kind, None)
        .map_err(|e| Error::system("socket", &e))?;
    if let Some(bind) = options.bind {
        socket.bind(&bind.into()).map_err(|e| Error::system(&format!("bind {bind}"), &e))?;
    }
    let ti = clock.now() + ClientConfig::default().ti;
    socket.connect_timeout(&server.into(), clock.wait(ti, deadline)).map_err(|e| failed(&e))?;
    Ok(socket.into())
}

fn check(clock: &Clock, deadline: Time, server: SocketAddr) -> Result<()> {
    match clock.now() >= deadline {
        true => Err(Error::new(ErrorKind::Timeout, format!("{server} did not answer in time"))),
        false => Ok(()),
    }
}

fn is_wait(kind: Io) -> bool {
    matches!(kind, Io::WouldBlock | Io::TimedOut | Io::Interrupted)
}

fn outcome(client: &Client, local: SocketAddr) -> Result<Told> {
    let none = || Error::new(ErrorKind::Protocol, "the query ended without an outcome");
    client.outcome().cloned().map(|outcome| (local, outcome)).ok_or_else(none)
}

fn refused(server: SocketAddr, failure: &Failure) -> Error {
    match failure {
        Failure::Timeout => Error::new(ErrorKind::Timeout, format!("{server} did not answer")),
        Failure::Refused { code, reason } => {
            Error::new(ErrorKind::Rejected, format!("{server} refuses: {code} {reason}"))
        }
        Failure::TryAlternate { server: other, .. } => {
            Error::new(ErrorKind::Rejected, format!("{server} sends us to {other}, which has another family"))
        }
        Failure::Credentials => {
            Error::new(ErrorKind::Auth, format!("{server} wants credentials, or other ones"))
        }
        Failure::BadResponse => {
            Error::new(ErrorKind::Protocol, format!("{server} gives a success without an address"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::stun::{AttributeType, Class, StunBuilder, StunMessage};
    use std::net::TcpListener;

    fn answer(request: &[u8], mapped: SocketAddr) -> Vec<u8> {
        let request = StunMessage::parse(request).expect("a request");
        StunBuilder::new(Class::Success, request.method(), request.transaction_id())
            .xor_address(AttributeType::XOR_MAPPED_ADDRESS, mapped)
            .fingerprint()
            .build()
            .expect("a response")
    }

    #[test]
    fn over_udp_the_second_request_is_the_one_that_is_answered() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(server) = UdpSocket::bind(local) else { continue };
            let address = server.local_addr().expect("an address");
            let thread = std::thread::spawn(move || {
                let mut buf = [0; 1500];
                let first = server.recv_from(&mut buf).expect("a request");
                let (n, peer) = server.recv_from(&mut buf).expect("the same again");
                assert_eq!((first.0, first.1), (n, peer));
                server.send_to(b"\x00\x01nonsense", peer).expect("sent");
                server.send_to(&answer(&buf[..n], peer), peer).expect("sent");
            });
            let options = StunOptions { rto: Some(Duration::from_millis(20)), ..StunOptions::default() };
            let told = stun_query(&address.to_string(), &options, Some(Duration::from_secs(20)));
            let told = told.expect("an answer");
            assert_eq!(told.mapped.port(), told.local.port());
            assert_eq!((told.server, told.round_trip), (address, None));
            thread.join().expect("the server");
        }
    }

    #[test]
    fn over_tcp_an_answer_may_come_in_pieces() {
        let server = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = server.local_addr().expect("an address");
        let thread = std::thread::spawn(move || {
            let (mut stream, peer) = server.accept().expect("a connection");
            let mut buf = [0; 1500];
            let n = stream.read(&mut buf).expect("a request");
            let response = answer(&buf[..n], peer);
            for piece in response.chunks(7) {
                stream.write_all(piece).expect("sent");
            }
        });
        let options = StunOptions { tcp: true, ..StunOptions::default() };
        let told =
            stun_query(&address.to_string(), &options, Some(Duration::from_secs(20))).expect("an answer");
        assert_eq!(told.mapped, told.local);
        assert!(told.round_trip.is_some());
        thread.join().expect("the server");
    }

    #[test]
    fn silence_ends_with_the_time_out_and_a_closed_port_at_once() {
        let silent = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = silent.local_addr().expect("an address").to_string();
        let options = StunOptions::default();
        let error = stun_query(&address, &options, Some(Duration::from_millis(30))).expect_err("silence");
        assert_eq!(error.kind, ErrorKind::Timeout);
        drop(silent);
        let error = stun_query(&address, &options, Some(Duration::from_secs(20))).expect_err("closed");
        assert_eq!(error.kind, ErrorKind::Unreachable);
        assert_eq!(stun_query("a:b", &options, None).expect_err("a port").kind, ErrorKind::Argument);
    }
}
