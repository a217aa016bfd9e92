//! Opaque handles, constants and structs that several nouns share.

use super::sized::SizeFirst;
use std::ffi::c_char;

/// Settings from which phones are made. The host frees it with `voip_config_free`.
pub struct voip_config {
    _private: (),
}

/// Settings of one account. The host frees it with `voip_account_config_free`.
pub struct voip_account_config {
    _private: (),
}

/// A phone: its sockets, threads, accounts and calls. The host frees it with `voip_phone_free`.
pub struct voip_phone {
    _private: (),
}

/// An account of a phone; it belongs to the phone and goes with it.
pub struct voip_account {
    _private: (),
}

/// A call. A handle from a callback is valid until the call's ENDED was delivered; one that came through an
/// out parameter is the host's until `voip_call_release`.
pub struct voip_call {
    _private: (),
}

/// How SIP travels.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_transport {
    VOIP_TRANSPORT_UDP = 0,
    VOIP_TRANSPORT_TCP = 1,
    /// TLS 1.2 or 1.3 over TCP.
    VOIP_TRANSPORT_TLS = 2,
}

/// Form of one sample of the host's audio.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_sample_format {
    /// Signed 16 bit in the machine's byte order; silence is 0.
    VOIP_FORMAT_S16 = 0,
    /// Unsigned 8 bit linear; silence is 0x80.
    VOIP_FORMAT_U8 = 1,
}

/// Which RTCP a phone's calls do.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_rtcp_mode {
    /// None.
    VOIP_RTCP_OFF = 0,
    /// On the port of RTP (RFC 5761), where the other side takes it there; none otherwise.
    VOIP_RTCP_MUX = 1,
}

/// Who delivers events.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_event_mode {
    /// A thread of the library calls the callbacks.
    VOIP_EVENTS_THREAD = 0,
    /// The host calls `voip_phone_process_events` from its own loop.
    VOIP_EVENTS_HOST = 1,
}

/// Times that `voip_config_set_timer` sets.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_timer {
    /// Estimate of a round trip (RFC 3261 table 4; 500 ms).
    VOIP_TIMER_T1 = 1,
    /// Longest interval between retransmissions (4000 ms).
    VOIP_TIMER_T2 = 2,
    /// How long a message stays in the network (5000 ms).
    VOIP_TIMER_T4 = 3,
    /// Longest wait for a final response after a provisional one (180000 ms).
    VOIP_TIMER_C = 4,
    /// How long a refused INVITE is remembered (32000 ms).
    VOIP_TIMER_D = 5,
    /// How long an incoming call rings before 480; 0 for ever.
    VOIP_TIMER_RING = 16,
    /// How long an outgoing call may take until its answer before it is cancelled; 0: no own limit.
    VOIP_TIMER_ANSWER = 17,
    /// Silence of RTP until `on_call_media` says timeout; 0 never.
    VOIP_TIMER_RTP = 18,
}

/// How a phone is.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_phone_status {
    VOIP_PHONE_INACTIVE = 0,
    VOIP_PHONE_STARTING = 1,
    VOIP_PHONE_RUNNING = 2,
    VOIP_PHONE_STOPPING = 3,
    VOIP_PHONE_STOPPED = 4,
    VOIP_PHONE_FAILED = 5,
}

/// How an account is. A lost binding is not REGISTERED.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_account_status {
    VOIP_ACCOUNT_INACTIVE = 0,
    VOIP_ACCOUNT_REGISTERING = 1,
    VOIP_ACCOUNT_REGISTERED = 2,
    VOIP_ACCOUNT_DEREGISTERING = 3,
    VOIP_ACCOUNT_FAILED = 4,
}

/// Where a call is in its life. Numbers only grow during one call (RINGING and PROGRESS may alternate).
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_call_state {
    /// Outgoing: the INVITE was sent.
    VOIP_CALL_DIALING = 1,
    /// Outgoing: the other side rings (180). Incoming: waits for the host.
    VOIP_CALL_RINGING = 2,
    /// Early media may flow (183).
    VOIP_CALL_PROGRESS = 3,
    /// Both talk.
    VOIP_CALL_ANSWERED = 4,
    /// CANCEL or BYE was sent and not answered yet.
    VOIP_CALL_TERMINATING = 5,
    /// Over.
    VOIP_CALL_ENDED = 6,
}

/// Who began the call.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_call_direction {
    VOIP_CALL_INCOMING = 0,
    VOIP_CALL_OUTGOING = 1,
}

/// Which way audio flows, seen from this side (RFC 3264).
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_media_direction {
    VOIP_MEDIA_SENDRECV = 0,
    VOIP_MEDIA_SENDONLY = 1,
    VOIP_MEDIA_RECVONLY = 2,
    VOIP_MEDIA_INACTIVE = 3,
}

/// Why a call ended.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_end_cause {
    /// It did not end yet.
    VOIP_END_NONE = 0,
    /// BYE after it was answered.
    VOIP_END_HANGUP = 1,
    /// 486 or 600.
    VOIP_END_BUSY = 2,
    /// Another final response that is no success.
    VOIP_END_REJECTED = 3,
    /// CANCEL, from either side.
    VOIP_END_CANCELLED = 4,
    /// 408, 480, or no answer in time.
    VOIP_END_NO_ANSWER = 5,
    /// Nobody there: no response at all, a transport error, a name that was not found.
    VOIP_END_UNREACHABLE = 6,
    /// No codec in common (488) or no usable SDP.
    VOIP_END_NO_CODEC = 7,
    /// 401, 403 or 407 without a way out.
    VOIP_END_AUTH = 8,
    /// Our 200 was never acknowledged.
    VOIP_END_NO_ACK = 9,
    /// No RTP for too long, and the host asked to hang up then.
    VOIP_END_MEDIA_TIMEOUT = 10,
    /// The phone was stopped.
    VOIP_END_SHUTDOWN = 11,
    /// No port, no memory, or a fault inside.
    VOIP_END_LOCAL_ERROR = 12,
    /// The other side broke the protocol.
    VOIP_END_PROTOCOL = 13,
    /// 404, 410, 484 or 604.
    VOIP_END_NOT_FOUND = 14,
}

/// Who ended a call.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_ended_by {
    /// It did not end yet.
    VOIP_BY_NOBODY = 0,
    /// This program.
    VOIP_BY_LOCAL = 1,
    /// The other side.
    VOIP_BY_REMOTE = 2,
    /// The library (time-outs, stop).
    VOIP_BY_ENGINE = 3,
}

/// How keys travel.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_dtmf_method {
    /// In the RTP stream as telephone-event (RFC 4733).
    VOIP_DTMF_RTP = 0,
    /// By SIP INFO (`application/dtmf-relay`).
    VOIP_DTMF_INFO = 1,
}

/// What `on_call_media` tells.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_media_event {
    /// Offer and answer agreed, for the first time or anew.
    VOIP_MEDIA_NEGOTIATED = 0,
    /// The first packet of the other side was accepted.
    VOIP_MEDIA_STARTED = 1,
    /// Packets come from another address now.
    VOIP_MEDIA_SOURCE_CHANGED = 2,
    /// Nothing came for the configured time.
    VOIP_MEDIA_TIMEOUT = 3,
    /// Packets come again.
    VOIP_MEDIA_RESUMED = 4,
}

/// Digest algorithms (RFC 7616, RFC 8760).
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_digest_algorithm {
    VOIP_DIGEST_MD5 = 0,
    VOIP_DIGEST_SHA256 = 1,
    VOIP_DIGEST_SHA512_256 = 2,
}

/// What may be said about a call that is dialled. Begin with `VOIP_CALL_OPTIONS_INIT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct voip_call_options {
    /// sizeof(voip_call_options).
    pub size: usize,
    /// Attached before the first event; what `voip_call_get_user_data` gives.
    pub user_data: *mut std::ffi::c_void,
    /// Display name in From instead of the account's; NULL: the account's.
    pub display_name: *const c_char,
    /// Extra header lines `Name: value`, `header_count` of them; NULL: none.
    pub headers: *const *const c_char,
    /// How many lines `headers` has, at most 32.
    pub header_count: usize,
    /// Not 0: no SDP in the INVITE, the other side makes the offer.
    pub delayed_offer: i32,
    /// A `voip_srtp_mode`; 0: as the account.
    pub srtp: i32,
    /// Form and rate (Hz) of the host's audio in this call; rate 0: the phone's format.
    pub audio_sample: i32,
    pub audio_rate: u32,
}

unsafe impl SizeFirst for voip_call_options {
    const NAME: &'static str = "voip_call_options";
}
