//! SDP (RFC 8866) and offer/answer (RFC 3264).

pub mod negotiate;
pub mod session;

pub use negotiate::{accept_answer, answer, offer, LocalMedia, NegotiateError, Negotiated};
pub use session::{Attribute, Connection, Direction, Media, Origin, SessionDescription};
