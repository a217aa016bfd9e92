//! The packets of a call as the host sees and makes them.

use super::call::Call;
use super::error::{Error, ErrorKind, Result};
use super::worker::MediaOp;
use crate::media::FILTER_ROOM;
use crate::proto::rtp::RtpPacket;

pub use crate::media::FilterFn as RtpFilter;

impl Call {
    /// Another filter or none, as soon as the worker gets to it. The old one is dropped there and runs no more.
    pub fn set_rtp_filter(&self, filter: Option<RtpFilter>) -> Result<()> {
        self.media(MediaOp::Session(Box::new(move |session, _| session.set_filter(filter))))
    }

    /// Sends a packet of the host's own making to where the call's audio goes, at once.
    pub fn send_rtp(&self, packet: &[u8]) -> Result<()> {
        self.require_live()?;
        if packet.len() > FILTER_ROOM {
            let message = format!("a packet of {} bytes, {FILTER_ROOM} are possible", packet.len());
            return Err(Error::new(ErrorKind::Range, message));
        }
        RtpPacket::parse(packet).map_err(|e| Error::new(ErrorKind::Parse, e.to_string()))?;
        if self.media_info().remote.is_none() {
            return Err(Error::new(
                ErrorKind::State,
                "no media was negotiated yet: there is nowhere to send to",
            ));
        }
        let packet: Box<[u8]> = packet.into();
        self.media(MediaOp::Session(Box::new(move |session, now| session.send_packet(now, packet))))
    }
}
