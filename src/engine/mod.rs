//! The only place with threads, sockets, clock and randomness: phones, calls, events, workers.

pub mod call;
pub mod config;
pub mod error;
pub mod event;
pub mod phone;

pub use call::Call;
pub use config::{AudioFormat, EventMode, PhoneConfig, SampleFormat};
pub use error::Error;
pub use event::{Event, EventKind};
pub use phone::{Phone, PhoneStatus};
