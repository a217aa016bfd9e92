//! libvoip: a softphone engine in one shared library.
//!
//! The map. Imports go downwards only (`tests/layering.rs` holds them to it):
//!
//! | layer | what lives there |
//! |---|---|
//! | [`ffi`] | the C API, one file per noun: check arguments, call the engine, write outputs |
//! | [`engine`] | threads, sockets, clock and randomness |
//! | [`ua`] | the user agent as one state machine, sans-I/O |
//! | [`media`] | codecs, jitter buffer, tones, WAV, one session per stream, sans-I/O |
//! | [`proto`] | SIP, SDP, RTP, sans-I/O |
//! | [`util`] | time, deadlines, slab, randomness as a trait |

#[cfg(panic = "abort")]
compile_error!("libvoip needs panic = \"unwind\": a panic must not end the host's process");

pub mod engine;
pub mod ffi;
pub mod media;
pub mod proto;
pub mod ua;
pub mod util;
