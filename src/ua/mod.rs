//! The user agent as one state machine: accounts, registrations, calls. Sans-I/O.
//!
//! **One contract:** after any `handle_*`, drain [`Agent::poll_output`] until `None`, then ask
//! [`Agent::poll_timeout`] for the next deadline.

mod account;
pub mod agent;
pub mod api;
mod base;
mod call;
mod ended;
mod hop;
mod message;
pub mod registration;
mod request;
mod target;
mod trace;
mod way;

pub use agent::Agent;
pub use api::*;
pub use target::parse_target;
