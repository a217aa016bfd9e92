//! The user agent as one state machine: accounts, registrations, calls. Sans-I/O.
//!
//! **One contract:** after any `handle_*`, drain [`Agent::poll_output`] until `None`, then ask
//! [`Agent::poll_timeout`] for the next deadline.

pub mod agent;
pub mod api;
pub mod registration;

pub use agent::Agent;
pub use api::*;
