//! The C API: check arguments, call the engine, write outputs. One file per noun.
//!
//! Everything `#[no_mangle]` below stands in `include/voip.h`, which cbindgen makes from exactly these
//! files. A handle is a token (see `handle`), a status comes out of one table (`error`), a panic stops at
//! `panic::guard`. No protocol decision is made here.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]
#![allow(non_camel_case_types, clippy::missing_safety_doc)]

mod account;
mod account_config;
mod alone;
mod audio;
mod call;
mod call_end;
mod call_info;
mod call_rtp;
mod call_srtp;
mod callbacks;
mod capture;
mod codec;
mod config;
mod config_media;
mod config_tls;
mod dispatch;
mod dtmf;
mod dtmf_tone;
mod error;
mod handle;
mod held;
mod library;
mod log;
mod message;
mod network;
mod objects;
mod panic;
mod payload;
mod pcm_buffer;
mod phone;
mod phone_info;
mod playback;
mod player;
mod recorder;
mod rtcp;
mod rtcp_write;
mod rtp_mux;
mod rtp_packet;
mod rtp_protocol;
mod rtp_session;
mod rtp_session_audio;
mod rtp_session_info;
mod rtp_session_options;
mod sdp;
mod sdp_negotiate;
mod sip_digest;
mod sip_message;
mod sip_status;
mod sized;
mod srtp;
mod stats;
mod strings;
mod stun;
mod stun_builder;
mod stun_query;
mod sync_group;
mod telephone_event;
mod types;
mod voice;
mod wav;

pub use account::*;
pub use account_config::*;
pub use audio::*;
pub use call::*;
pub use call_end::*;
pub use call_info::*;
pub use call_rtp::*;
pub use call_srtp::*;
pub use callbacks::*;
pub use capture::*;
pub use codec::*;
pub use config::*;
pub use config_media::*;
pub use dtmf::*;
pub use dtmf_tone::*;
pub use error::*;
pub use library::*;
pub use log::*;
pub use network::*;
pub use payload::*;
pub use pcm_buffer::*;
pub use phone::*;
pub use phone_info::*;
pub use playback::*;
pub use player::*;
pub use recorder::*;
pub use rtcp::*;
pub use rtcp_write::*;
pub use rtp_mux::*;
pub use rtp_packet::*;
pub use rtp_protocol::*;
pub use rtp_session::*;
pub use rtp_session_audio::*;
pub use rtp_session_info::*;
pub use rtp_session_options::*;
pub use sdp::*;
pub use sdp_negotiate::*;
pub use sip_digest::*;
pub use sip_message::*;
pub use sip_status::*;
pub use srtp::*;
pub use stats::*;
pub use stun::*;
pub use stun_builder::*;
pub use stun_query::*;
pub use sync_group::*;
pub use telephone_event::*;
pub use types::*;
pub use voice::*;
pub use wav::*;
