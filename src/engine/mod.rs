//! The only place with threads, sockets, clock and randomness: phones, calls, events, workers.

pub mod call;
pub mod config;
pub mod error;
pub mod event;
pub mod phone;
pub mod thread;

pub use call::{Call, CallMediaInfo, Gather};
pub use config::{AudioFormat, EventMode, PhoneConfig, SampleFormat, ThreadHook};
pub use error::{Error, ErrorKind};
pub use event::{Event, EventKind};
pub use phone::{AccountInfo, EventSink, Phone, PhoneStats, PhoneStatus};
pub use thread::{caught, log_panic, panic_text};
