//! Why a call ended, told from a SIP status.

use super::super::api::{EndCause, EndInfo, EndedBy};
use super::reason_header;
use crate::proto::sip::Message;

/// The cause that a final status of an INVITE stands for, whoever sent it.
pub(super) fn cause_of(status: u16) -> EndCause {
    match status {
        486 | 600 => EndCause::Busy,
        408 | 480 => EndCause::NoAnswer,
        487 => EndCause::Cancelled,
        404 | 410 | 484 | 604 => EndCause::NotFound,
        415 | 488 | 606 => EndCause::NoCodec,
        401 | 403 | 407 => EndCause::Auth,
        _ => EndCause::Rejected,
    }
}

/// The end that the peer's final response to our INVITE means.
pub(super) fn refused(response: &Message) -> EndInfo {
    EndInfo {
        cause: cause_of(response.status()),
        by: EndedBy::Remote,
        sip_code: response.status(),
        reason: response.reason().into(),
        reason_header: reason_header(response),
    }
}
