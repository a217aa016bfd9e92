//! Dialog state (RFC 3261 section 12): identity, route set, remote target, sequence numbers.

use super::{Message, Method, RequestBuilder, Uri};

#[derive(Clone, Debug)]
pub struct Dialog {
    pub call_id: Box<str>,
    pub local_tag: Box<str>,
    pub remote_tag: Box<str>,
    /// From/To values as they go on the wire, without tags.
    pub local_party: Box<str>,
    pub remote_party: Box<str>,
    pub local_cseq: u32,
    /// None until the peer sent a request in the dialog.
    pub remote_cseq: Option<u32>,
    /// Contact URI of the peer.
    pub remote_target: Box<str>,
    /// Route set in the order in which we write it; whole `<uri;lr>` values.
    pub route_set: Vec<Box<str>>,
    pub early: bool,
}

impl Dialog {
    /// A UAC's dialog from a 1xx (with To tag) or 2xx response to `request`.
    pub fn from_response(_request: &Message, _response: &Message) -> Option<Dialog> {
        todo!()
    }
    /// A UAS's dialog from an INVITE and the tag that we put into To.
    pub fn from_request(_request: &Message, _local_tag: &str) -> Option<Dialog> {
        todo!()
    }
    /// Does this message from the peer belong to the dialog?
    pub fn matches(&self, _message: &Message) -> bool {
        todo!()
    }
    /// Checks and takes the CSeq of an in-dialog request: false means 500 (out of order, RFC 3261 12.2.2).
    pub fn accept_cseq(&mut self, _cseq: u32) -> bool {
        todo!()
    }
    /// Target refresh (re-INVITE, UPDATE and their 2xx).
    pub fn refresh_target(&mut self, _message: &Message) {
        todo!()
    }
    /// The 2xx fixes the route set anew (RFC 3261 13.2.2.4).
    pub fn confirm(&mut self, _response: &Message) {
        todo!()
    }
    /// Starts an in-dialog request: Request-URI and Routes for loose or strict routing (12.2.1.1), From, To,
    /// Call-ID, CSeq (`cseq` given for ACK and CANCEL, otherwise the next one). Via, Contact and Max-Forwards are the caller's.
    pub fn request(&mut self, _method: &Method, _cseq: Option<u32>) -> RequestBuilder {
        todo!()
    }
    /// The URI whose host is to be resolved for the next hop: first route if any, otherwise the target.
    pub fn next_hop(&self) -> Option<Uri> {
        todo!()
    }
}
