//! Media without I/O: codecs, jitter buffer, concealment, tones, WAV, and one [`Session`] per stream.
//!
//! Per packet nothing here allocates, locks or logs.

pub mod session;

pub use session::{MediaEvent, MediaStats, Session, SessionConfig};
