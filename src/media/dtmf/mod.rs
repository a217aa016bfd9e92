//! Keys by telephone-event (RFC 4733): the sender's schedule and the receiver's bookkeeping.

pub mod receiver;
pub mod sender;

pub use receiver::{EventReceiver, KeyEvent};
pub use sender::{KeySender, KeyStep};
