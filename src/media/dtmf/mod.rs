//! Keys by telephone-event (RFC 4733), the sender's schedule and the receiver's bookkeeping; and keys as tones (ITU-T Q.23).

pub mod detector;
pub mod receiver;
pub mod sender;
pub mod tones;

pub use receiver::{EventReceiver, KeyEvent};
pub use sender::{KeySender, KeyStep};
