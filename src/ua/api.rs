//! What goes into the agent and what comes out of it: commands, outputs, events, configuration.

use crate::proto::rtp::PayloadFormat;
use crate::proto::sdp::{Direction, SrtpMode};
use crate::proto::sip::auth::Credentials;
use crate::proto::sip::transaction::TimerName;
use crate::proto::sip::{Peer, Transport};
use crate::proto::srtp::{Profile, StreamKeys};
use crate::util::{Duration, Time};
use core::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A call for its whole life. Outgoing ids are chosen by the engine (top bit set), incoming by the agent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId(pub u64);

impl CallId {
    pub const OUTGOING: u64 = 1 << 63;
    pub const fn is_outgoing(self) -> bool {
        self.0 & Self::OUTGOING != 0
    }
}

/// An account for its whole life; chosen by the engine. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AccountId(pub u64);

/// A MESSAGE of ours until its result; chosen by the engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MessageId(pub u64);

/// A name look-up that the agent asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct QueryId(pub u64);

/// One identity: where it registers and as whom.
#[derive(Clone)]
pub struct AccountConfig {
    /// Host name or address of the registrar; also the domain of the AOR.
    pub server: String,
    /// 0: the default of the transport (and SRV later).
    pub port: u16,
    pub transport: Transport,
    /// User part of the AOR.
    pub user: String,
    pub display_name: Option<String>,
    pub credentials: Vec<Credentials>,
    /// REGISTER at all? (false: calls through the server without a registration)
    pub register: bool,
    /// Asked for, in seconds.
    pub expires: u32,
    /// `sip:host:port;lr`, sent to before all else.
    pub outbound_proxy: Option<String>,
    /// First back-off after a failure (doubles with jitter up to `retry_max`).
    pub retry_min: Duration,
    pub retry_max: Duration,
    /// None: as the agent.
    pub srtp: Option<SrtpMode>,
}

/// Our own SIP address (bound address and port) towards a peer: what goes into Via and Contact. The engine looks the
/// route up, a test answers with a constant. None: no route in that family.
pub type RouteFn = Box<dyn FnMut(IpAddr) -> Option<SocketAddr> + Send>;

/// Addresses whose first bits are the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    pub address: IpAddr,
    /// How many bits, at most 32 or 128.
    pub bits: u8,
}

impl Network {
    pub fn contains(&self, ip: IpAddr) -> bool {
        let same = |a: u128, b: u128, size: u32| {
            let rest = size.saturating_sub(u32::from(self.bits));
            rest >= 128 || a >> rest == b >> rest
        };
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
            _ => false,
        }
    }
}

/// The agent's settings, fixed at creation.
#[derive(Clone)]
pub struct AgentConfig {
    /// Replaces the local address in Contact and SDP, but towards peers in these networks.
    pub public_address: Option<IpAddr>,
    pub local_networks: Vec<Network>,
    pub user_agent: String,
    /// Preference; telephone-event is added by the agent at the end.
    pub codecs: Vec<PayloadFormat>,
    pub ptime_ms: u32,
    pub timers: crate::proto::sip::transaction::Timers,
    pub max_calls: usize,
    pub max_transactions: usize,
    /// The code for an INVITE while `accept_calls` is false. Default 486.
    pub unhandled_call: u16,
    /// Initially: does anybody listen for calls? Changed by `Command::AcceptCalls`.
    pub accept_calls: bool,
    /// How long an incoming call rings before 480 (0: for ever).
    pub ring_timeout: Duration,
    /// How long an outgoing call may take until its final response before CANCEL (0: timer C only).
    pub answer_timeout: Duration,
    /// End a call when its media have timed out.
    pub hangup_on_media_timeout: bool,
    /// For calls without an account, where the target names none.
    pub transport: Transport,
    /// Largest request to go over UDP where TCP isn't ruled out (RFC 3261 18.1.1: 1300).
    pub mtu_limit: usize,
    /// Unless the account or the call says otherwise.
    pub srtp: SrtpMode,
    /// Offered and taken, by preference.
    pub srtp_suites: Vec<Profile>,
    /// Offer and accept RTCP on the port of RTP.
    pub rtcp_mux: bool,
}

/// From the host. `Err` means that nothing happened and no event follows.
#[derive(Clone)]
pub enum Command {
    AddAccount {
        account: AccountId,
        config: AccountConfig,
    },
    /// Un-REGISTERs first; `AccountRemoved` follows.
    RemoveAccount {
        account: AccountId,
    },
    Register {
        account: AccountId,
    },
    Unregister {
        account: AccountId,
    },
    /// `target`: `sip:` URI, `user@host`, or a bare number/user completed with the account's domain.
    Dial {
        call: CallId,
        account: Option<AccountId>,
        target: String,
        options: DialOptions,
    },
    /// 180 for an incoming call.
    Ring {
        call: CallId,
    },
    /// 183 with SDP: early media both ways.
    Progress {
        call: CallId,
    },
    Answer {
        call: CallId,
    },
    Reject {
        call: CallId,
        code: u16,
        reason: Option<String>,
    },
    Redirect {
        call: CallId,
        target: String,
    },
    /// CANCEL, 603 or BYE, whichever the state asks for.
    Hangup {
        call: CallId,
    },
    Hold {
        call: CallId,
    },
    Resume {
        call: CallId,
    },
    SetDirection {
        call: CallId,
        direction: Direction,
    },
    /// DTMF by SIP INFO (`application/dtmf-relay`).
    SendInfoDtmf {
        call: CallId,
        digit: char,
        duration_ms: u32,
    },
    /// Blind transfer (REFER). The result comes as `Event::Transfer`.
    Transfer {
        call: CallId,
        target: String,
    },
    /// Attended transfer: the peer of `call` is to replace us in `other` (REFER with Replaces, RFC 5589 section 7).
    TransferTo {
        call: CallId,
        other: CallId,
    },
    AcceptCalls(bool),
    /// Another public address or none, for what is said from now on; bindings are made anew.
    SetPublicAddress(Option<IpAddr>),
    /// MESSAGE outside of any call (RFC 3428). The result comes as `Event::MessageResult`.
    SendMessage {
        message: MessageId,
        account: Option<AccountId>,
        target: String,
        text: Text,
    },
    /// Does anybody listen for messages? Initially nobody: 405.
    AcceptMessages(bool),
    /// Ends calls, un-REGISTERs, then `Event::Stopped`; at the deadline at the latest.
    Stop {
        deadline: Time,
    },
}

/// What a message says.
#[derive(Clone, Debug)]
pub struct Text {
    pub content_type: String,
    pub body: Arc<[u8]>,
}

#[derive(Clone, Default, Debug)]
pub struct DialOptions {
    /// Extra headers for the INVITE (checked by the host's thread).
    pub headers: Vec<(String, String)>,
    /// Overrides From's display name.
    pub display_name: Option<String>,
    /// No SDP in the INVITE: the peer offers.
    pub delayed_offer: bool,
    /// None: as the account.
    pub srtp: Option<SrtpMode>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UaError {
    /// No such call or account (any more).
    Unknown,
    /// The state doesn't allow it.
    State,
    /// The text is no target.
    Target,
    Range,
    Limit,
    NotSupported,
}

/// What the agent wants done, in order.
#[derive(Debug)]
pub enum Output {
    Transmit {
        to: Peer,
        bytes: Arc<[u8]>,
    },
    /// Open media for a call: answer with `handle_stream_opened`. `remote_hint` picks family and local address.
    OpenStream {
        call: CallId,
        remote_hint: Option<IpAddr>,
    },
    /// A, AAAA look-up of a host name: answer with `handle_resolved`.
    Resolve {
        query: QueryId,
        host: Box<str>,
        port: u16,
    },
    Media(MediaCommand),
    Event(Event),
}

/// To the media worker of a call.
#[derive(Clone, Debug)]
pub enum MediaCommand {
    /// First description or a new one (re-INVITE, answer after early media).
    Configure { call: CallId, stream: StreamConfig },
    /// The call is over: close the stream, give the port back.
    Close { call: CallId },
}

/// One negotiated audio stream.
#[derive(Clone, PartialEq, Debug)]
pub struct StreamConfig {
    pub remote: Option<SocketAddr>,
    pub remote_rtcp: Option<SocketAddr>,
    /// What we send.
    pub codec: PayloadFormat,
    /// All that may arrive.
    pub receive: Vec<PayloadFormat>,
    pub telephone_event: Option<u8>,
    pub telephone_event_receive: Option<u8>,
    pub ptime_ms: u32,
    /// Seen from us.
    pub direction: Direction,
    /// The stream is SRTP with these, or plain RTP.
    pub srtp: Option<Box<StreamKeys>>,
    /// The SSRC that the peer announced (RFC 5576).
    pub remote_ssrc: Option<u32>,
    /// Both sides take RTCP on the port of RTP (RFC 5761).
    pub rtcp_mux: bool,
}

/// A stream as its opener tells of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamOpened {
    /// The RTP address as the peer shall see it.
    pub local: SocketAddr,
    /// What the description announces, if the socket is not the stream's alone.
    pub ssrc: Option<u32>,
}

impl From<SocketAddr> for StreamOpened {
    fn from(local: SocketAddr) -> StreamOpened {
        StreamOpened { local, ssrc: None }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallDirection {
    Incoming,
    Outgoing,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(i32)]
pub enum CallState {
    /// INVITE sent, nothing but 100 yet.
    Dialing = 1,
    /// Outgoing: the other side rings. Incoming: waits for us.
    Ringing = 2,
    /// 183: early media may flow.
    Progress = 3,
    Answered = 4,
    /// CANCEL or BYE sent, not answered yet.
    Terminating = 5,
    Ended = 6,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(i32)]
pub enum EndCause {
    /// BYE after an answered call, from either side (see `EndInfo::by`).
    Hangup = 1,
    /// 486, 600.
    Busy = 2,
    /// Other 3xx to 6xx.
    Rejected = 3,
    /// CANCEL, from either side.
    Cancelled = 4,
    /// 408, 480, timer B, no answer in time.
    NoAnswer = 5,
    /// Nobody there: timer B without any response, transport error, name not found.
    Unreachable = 6,
    /// 488, no codec in common, no usable SDP.
    NoCodec = 7,
    /// 401, 403, 407 without way out.
    Auth = 8,
    /// Our 200 was never acknowledged.
    NoAck = 9,
    MediaTimeout = 10,
    /// The phone was stopped.
    Shutdown = 11,
    /// No port, no memory, internal.
    LocalError = 12,
    /// The peer broke the protocol.
    Protocol = 13,
    /// 404, 410, 484, 604.
    NotFound = 14,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum EndedBy {
    Local = 1,
    Remote = 2,
    Engine = 3,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndInfo {
    pub cause: EndCause,
    pub by: EndedBy,
    /// Final SIP status, 0 where there was none (BYE).
    pub sip_code: u16,
    pub reason: Box<str>,
    /// The Reason header (RFC 3326), if any.
    pub reason_header: Option<Box<str>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(i32)]
pub enum AccountStatus {
    Inactive = 0,
    Registering = 1,
    Registered = 2,
    Deregistering = 3,
    Failed = 4,
}

/// What a new call tells about itself.
#[derive(Clone, Debug)]
pub struct CallInfo {
    pub direction: CallDirection,
    pub account: Option<AccountId>,
    /// Display name of the peer, unquoted.
    pub remote_name: Arc<str>,
    pub remote_uri: Arc<str>,
    pub local_uri: Arc<str>,
    pub sip_call_id: Arc<str>,
    /// The INVITE as received (incoming) or first sent (outgoing).
    pub invite: Arc<[u8]>,
}

#[derive(Clone, Debug)]
pub enum Event {
    IncomingCall {
        call: CallId,
        info: CallInfo,
    },
    /// Also for outgoing calls once the INVITE is known: before any CallState.
    OutgoingCall {
        call: CallId,
        info: CallInfo,
    },
    CallState {
        call: CallId,
        state: CallState,
        sip_code: u16,
        reason: Box<str>,
    },
    /// Media were (re)negotiated.
    CallMedia {
        call: CallId,
        direction: Direction,
        held_by_peer: bool,
        held_by_us: bool,
        codec: Box<str>,
        /// The suite of both directions; None: plain RTP.
        srtp: Option<Profile>,
        remote: Option<SocketAddr>,
        sdp: Arc<[u8]>,
        /// Ours, as it was said last.
        own_sdp: Arc<[u8]>,
    },
    /// The last one of the call.
    CallEnded {
        call: CallId,
        end: EndInfo,
    },
    /// By SIP INFO; RFC 4733 digits come from media.
    Dtmf {
        call: CallId,
        digit: char,
        duration_ms: u32,
    },
    Transfer {
        call: CallId,
        sip_code: u16,
        reason: Box<str>,
        finished: bool,
    },
    AccountStatus {
        account: AccountId,
        status: AccountStatus,
        sip_code: u16,
        reason: Box<str>,
        expires: u32,
        retry_in: Option<Duration>,
    },
    AccountRemoved {
        account: AccountId,
    },
    /// The account's server sees us at another address than it did, or at first than our own.
    PublicAddress {
        account: AccountId,
        address: SocketAddr,
        before: SocketAddr,
    },
    /// A MESSAGE from a stranger or a friend (answered 200).
    Message {
        account: Option<AccountId>,
        /// Display name, unquoted.
        from_name: Box<str>,
        from_uri: Box<str>,
        content_type: Box<str>,
        body: Arc<[u8]>,
    },
    /// What became of a MESSAGE of ours; 0: it was never sent.
    MessageResult {
        message: MessageId,
        sip_code: u16,
        reason: Box<str>,
    },
    Stopped,
}

/// Why the agent wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    Transaction(TimerName),
    /// Retransmission of a 2xx until its ACK.
    AckWait,
    Registration,
    RingTimeout,
    AnswerTimeout,
    Stop,
    Other,
}

/// How many of what the agent holds and has dropped.
#[derive(Clone, Copy, Default, Debug)]
pub struct AgentStats {
    pub calls: usize,
    pub accounts: usize,
    pub client_transactions: usize,
    pub server_transactions: usize,
    pub datagrams: u64,
    pub unparsable: u64,
    pub dropped: u64,
    pub oversize: u64,
}
