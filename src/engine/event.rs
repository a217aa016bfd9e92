//! Events as the host gets them: in order, one at a time, `Ended` last for its call.

use super::call::Call;
use crate::media::MediaEvent;
use crate::ua;

#[derive(Clone)]
pub struct Event {
    /// The call that it is about, if any. Cloning is an Arc.
    pub call: Option<Call>,
    pub kind: EventKind,
}

#[derive(Clone, Debug)]
pub enum EventKind {
    /// Calls (incoming, state, media, ended), accounts, transfer; as the agent says it.
    Ua(ua::Event),
    Media(MediaEvent),
    Phone(super::phone::PhoneStatus),
    /// A capture's file is closed.
    Capture(CaptureEnd),
    /// Periodic, when asked for.
    CallStats(crate::media::MediaStats),
}

/// What became of a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CaptureEnd {
    pub id: u64,
    /// In the file.
    pub packets: u64,
    /// Seen and not in the file.
    pub lost: u64,
    /// All of it could be written.
    pub ok: bool,
}

impl Event {
    /// What a host that doesn't pump may lose; all of it can be asked for later. A call's beginning and end
    /// and messages can't.
    pub(super) fn may_be_dropped(&self) -> bool {
        use ua::Event as Ua;
        match &self.kind {
            EventKind::Ua(Ua::IncomingCall { .. } | Ua::OutgoingCall { .. } | Ua::CallEnded { .. }) => false,
            EventKind::Ua(Ua::Message { .. } | Ua::MessageResult { .. }) => false,
            EventKind::Ua(Ua::AccountRemoved { .. } | Ua::Stopped) | EventKind::Phone(_) => false,
            EventKind::Ua(_) | EventKind::Media(_) | EventKind::Capture(_) | EventKind::CallStats(_) => true,
        }
    }
}
