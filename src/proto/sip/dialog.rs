//! Dialog state (RFC 3261 section 12): identity, route set, remote target, sequence numbers.
//!
//! Owned by a call or a subscription, which drives it with the messages that matched. Nothing here sends.

use super::message::NameAddrRef;
use super::{text, HeaderName, Message, Method, NameAddr, RequestBuilder, Uri};

/// More Record-Route values than this and the dialog is refused: no real path has as many hops, and each
/// of our requests would carry them all.
pub const MAX_ROUTES: usize = 32;

#[derive(Clone, Debug)]
pub struct Dialog {
    pub call_id: Box<str>,
    pub local_tag: Box<str>,
    /// Empty for a peer of RFC 2543 that gives no tag.
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
    /// A UAC's dialog from a 1xx (with To tag) or 2xx response to `request` (12.1.2). Each fork's response,
    /// told apart by its To tag, gives a dialog of its own.
    pub fn from_response(request: &Message, response: &Message) -> Option<Dialog> {
        let early = match response.status() {
            101..=199 => true,
            200..=299 => false,
            _ => return None,
        };
        if early && response.to_tag().is_none() {
            return None;
        }
        let remote_target = match response.contact_ref() {
            Some(contact) => target_text(&contact),
            // A provisional response needs no Contact; a 2xx without one gets our requests where the INVITE went.
            None => request.request_uri_text().into(),
        };
        Some(Dialog {
            call_id: request.call_id().into(),
            local_tag: request.from_tag().unwrap_or_default().into(),
            remote_tag: response.to_tag().unwrap_or_default().into(),
            local_party: without_tag(request.header(HeaderName::From)?),
            remote_party: without_tag(request.header(HeaderName::To)?),
            local_cseq: request.cseq(),
            remote_cseq: None,
            remote_target,
            route_set: uac_route_set(response)?,
            early,
        })
    }

    /// A UAS's dialog from an INVITE and the tag that we put into To (12.1.1). None without a Contact, or
    /// with more than [`MAX_ROUTES`] Record-Route values.
    pub fn from_request(request: &Message, local_tag: &str) -> Option<Dialog> {
        Some(Dialog {
            call_id: request.call_id().into(),
            local_tag: local_tag.into(),
            remote_tag: request.from_tag().unwrap_or_default().into(),
            local_party: without_tag(request.header(HeaderName::To)?),
            remote_party: without_tag(request.header(HeaderName::From)?),
            local_cseq: 0,
            remote_cseq: Some(request.cseq()),
            remote_target: target_text(&request.contact_ref()?),
            route_set: record_routes(request)?,
            early: true,
        })
    }

    /// Does this message from the peer belong to the dialog (12.2.1, 12.2.2)? An absent tag is the null tag
    /// of RFC 2543.
    pub fn matches(&self, message: &Message) -> bool {
        let (local, remote) = if message.is_request() {
            (message.to_tag(), message.from_tag())
        } else {
            (message.from_tag(), message.to_tag())
        };
        *message.call_id() == *self.call_id
            && local.unwrap_or_default() == &*self.local_tag
            && remote.unwrap_or_default() == &*self.remote_tag
    }

    /// Checks and takes the CSeq of an in-dialog request: false means 500 (out of order, RFC 3261 12.2.2).
    /// An equal one is out of order too: what was retransmitted never comes so far.
    pub fn accept_cseq(&mut self, cseq: u32) -> bool {
        if self.remote_cseq.is_some_and(|last| cseq <= last) {
            return false;
        }
        self.remote_cseq = Some(cseq);
        true
    }

    /// Target refresh (re-INVITE, UPDATE and their 2xx).
    pub fn refresh_target(&mut self, message: &Message) {
        if let Some(contact) = message.contact_ref() {
            self.remote_target = target_text(&contact);
        }
    }

    /// The 2xx fixes the route set anew (RFC 3261 13.2.2.4).
    pub fn confirm(&mut self, response: &Message) {
        if let Some(routes) = uac_route_set(response) {
            self.route_set = routes;
        }
        self.refresh_target(response);
        self.early = false;
    }

    /// Starts an in-dialog request: Request-URI and Routes for loose or strict routing (12.2.1.1), From, To,
    /// Call-ID, CSeq (`cseq` given for ACK and CANCEL, otherwise the next one). Via, Contact and Max-Forwards
    /// are the caller's.
    pub fn request(&mut self, method: &Method, cseq: Option<u32>) -> RequestBuilder {
        let cseq = cseq.unwrap_or_else(|| {
            // 8.1.1.5: below 2^31; no dialog sends as many requests.
            self.local_cseq = self.local_cseq.saturating_add(1);
            self.local_cseq
        });
        let (request_uri, routes) = self.routing();
        let mut builder = RequestBuilder::new(method, &request_uri);
        for route in &routes {
            builder = builder.header(HeaderName::Route, route);
        }
        builder
            .header(HeaderName::From, &with_tag(&self.local_party, &self.local_tag))
            .header(HeaderName::To, &with_tag(&self.remote_party, &self.remote_tag))
            .header(HeaderName::CallId, &self.call_id)
            .header(HeaderName::CSeq, &format!("{cseq} {method}"))
    }

    /// The URI whose host is to be resolved for the next hop: first route if any, otherwise the target. With
    /// a strict router the first route is the Request-URI, so it is the next hop in both cases.
    pub fn next_hop(&self) -> Option<Uri> {
        match self.route_set.first() {
            Some(route) => NameAddr::parse(route).ok().map(|n| n.uri),
            None => Uri::parse(&self.remote_target).ok(),
        }
    }

    /// Request-URI and Route values (12.2.1.1).
    fn routing(&self) -> (Box<str>, Vec<Box<str>>) {
        let Some(first) = self.route_set.first().and_then(|r| NameAddrRef::parse(r).ok()) else {
            return (self.remote_target.clone(), Vec::new());
        };
        if first.uri.has_param("lr") {
            return (self.remote_target.clone(), self.route_set.clone());
        }
        // A strict router: it stands in the Request-URI, and the target comes last in the Routes.
        let mut routes: Vec<Box<str>> = self.route_set.iter().skip(1).cloned().collect();
        routes.push(format!("<{}>", self.remote_target).into());
        (target_text(&first), routes)
    }
}

/// The Record-Route values in the order of the message.
fn record_routes(message: &Message) -> Option<Vec<Box<str>>> {
    let routes: Vec<Box<str>> =
        message.values(HeaderName::RecordRoute).take(MAX_ROUTES + 1).map(Into::into).collect();
    (routes.len() <= MAX_ROUTES).then_some(routes)
}

fn uac_route_set(response: &Message) -> Option<Vec<Box<str>>> {
    let mut routes = record_routes(response)?;
    routes.reverse();
    Some(routes)
}

/// The URI as it may stand in a Request-URI: without headers and `method` (RFC 3261 section 19.1.1, table 1).
fn target_text(address: &NameAddrRef<'_>) -> Box<str> {
    let text = match address.uri.headers {
        Some(headers) => address.uri_text.strip_suffix(headers).unwrap_or(address.uri_text),
        None => address.uri_text,
    };
    let text = text.strip_suffix('?').unwrap_or(text);
    if !address.uri.has_param("method") {
        return text.into();
    }
    // The user part may hold semicolons too.
    let (user, rest) = text.split_at(text.rfind('@').unwrap_or(0));
    let kept = rest.split(';').enumerate().filter(|(i, part)| {
        let name = part.split('=').next().unwrap_or_default();
        *i == 0 || !name.eq_ignore_ascii_case("method")
    });
    let kept: Vec<&str> = kept.map(|(_, part)| part).collect();
    format!("{user}{}", kept.join(";")).into()
}

/// A From or To value without its tag; all else as it was written.
fn without_tag(value: &str) -> Box<str> {
    if !text::has_raw_param(value, "tag") {
        return value.trim_end().into();
    }
    let mut kept = String::with_capacity(value.len());
    for (i, part) in split_params(value).into_iter().enumerate() {
        let name = part.split('=').next().unwrap_or_default().trim();
        if i > 0 && name.eq_ignore_ascii_case("tag") {
            continue;
        }
        if i > 0 {
            kept.push(';');
        }
        kept.push_str(part.trim_end());
    }
    kept.into()
}

/// Splits at each `;` outside of quotes and angle brackets.
fn split_params(value: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut quoted, mut escaped, mut angle, mut start) = (false, false, false, 0);
    for (i, byte) in value.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'<' => angle = true,
            b'>' => angle = false,
            b';' if !angle => {
                parts.push(value.get(start..i).unwrap_or_default());
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(value.get(start..).unwrap_or_default());
    parts
}

fn with_tag(party: &str, tag: &str) -> String {
    if tag.is_empty() {
        party.to_owned()
    } else {
        format!("{party};tag={tag}")
    }
}

#[cfg(test)]
#[path = "dialog_tests.rs"]
mod tests;
