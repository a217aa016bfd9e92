//! SDP (RFC 8866) and offer/answer (RFC 3264).
//!
//! [`session`] holds and writes a description, [`parse`] reads one, [`formats`] finds the payload
//! formats of a stream, [`negotiate`] makes offers and answers, [`keying`] their keys. Driven by the user agent's calls and
//! by the stand-alone tools; no I/O.

pub mod formats;
pub mod keying;
pub mod negotiate;
pub mod parse;
pub mod session;
mod summary;

pub use keying::{Keying, SrtpMode};
pub use negotiate::{accept_answer, answer, check_offer, offer, LocalMedia, NegotiateError, Negotiated};
pub use session::{Attribute, Connection, Direction, Media, Origin, SessionDescription};
