//! The only place with threads, sockets, clock and randomness: phones, calls, events, workers.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
// The order of a map changes nothing that goes over the wire; what the host sees is sorted.
#![allow(clippy::disallowed_methods)]

mod breath;
pub mod call;
mod call_audio;
mod call_capture;
mod call_keys;
mod call_play;
mod call_playback;
mod call_rtp;
mod calm;
mod capture;
mod clock;
pub mod config;
mod connection;
mod connections;
mod control;
mod control_calls;
mod control_capture;
mod control_io;
mod counters;
mod dns;
mod door;
mod epoll;
pub mod error;
pub mod event;
mod fd;
mod futex;
mod link;
mod pages;
mod pending;
pub mod phone;
mod phone_accounts;
mod phone_life;
mod phone_messages;
mod ports;
mod queue;
mod receiver;
mod recorder;
mod rtp_config;
mod rtp_driver;
mod rtp_mux;
mod rtp_pump;
mod rtp_session;
mod rtp_shared;
mod send_batch;
mod shared_socket;
mod signal;
mod socket_name;
mod spread;
mod stream;
pub mod stun_query;
pub mod thread;
#[cfg_attr(not(feature = "tls"), path = "tls_none.rs")]
mod tls;
#[cfg(feature = "tls")]
mod tls_key;
mod trim;
mod udp;
mod wav_file;
mod worker;
mod worker_due;
mod worker_loop;
mod worker_shared;

pub use call::{Call, CallMediaInfo};
pub use call_audio::{TapFrames, TapSink};
pub use call_keys::Gather;
pub use call_playback::Playback;
pub use call_rtp::RtpFilter;
pub use clock::{now, OsRng};
pub use config::{AudioFormat, EventMode, PhoneConfig, SampleFormat, ThreadHook, MAX_MEDIA_SOCKETS};
pub use error::{Error, ErrorKind};
pub use event::{CaptureEnd, Event, EventKind};
pub use phone::{AccountInfo, EventSink, Phone, PhoneStats, PhoneStatus};
pub use recorder::WavFile;
pub use rtp_config::RtpSessionConfig;
pub use rtp_driver::OtherSink;
pub use rtp_mux::{RtpMux, RtpMuxStats};
pub use rtp_session::{Local, RtpSession};
pub use rtp_shared::{KeySink, RtpSessionStats};
pub use stun_query::{stun_query, StunOptions};
pub use thread::{caught, log_panic, panic_text};
pub use tls::TlsSettings;
pub use wav_file::WavSource;
