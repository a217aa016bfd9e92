//! Header names: one byte each, long and compact forms alike (RFC 3261 section 7.3.3 and the registry).

/// The names and their long forms; the look-up table is made of this list at compile time.
macro_rules! header_names {
    ($($name:ident = $text:literal,)*) => {
        /// Known header names; long and compact forms are one. `Other` is compared without case by the message's look-up by name.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum HeaderName {
            $($name,)*
            Other,
        }

        const ALL: &[(HeaderName, &str)] = &[$((HeaderName::$name, $text),)*];

        impl HeaderName {
            /// The long form as it is written; empty for `Other`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(HeaderName::$name => $text,)*
                    HeaderName::Other => "",
                }
            }
        }
    };
}

header_names! {
    Accept = "Accept",
    AcceptEncoding = "Accept-Encoding",
    AcceptLanguage = "Accept-Language",
    AlertInfo = "Alert-Info",
    Allow = "Allow",
    AllowEvents = "Allow-Events",
    AuthenticationInfo = "Authentication-Info",
    Authorization = "Authorization",
    CallId = "Call-ID",
    CallInfo = "Call-Info",
    Contact = "Contact",
    ContentDisposition = "Content-Disposition",
    ContentEncoding = "Content-Encoding",
    ContentLanguage = "Content-Language",
    ContentLength = "Content-Length",
    ContentType = "Content-Type",
    CSeq = "CSeq",
    Date = "Date",
    Event = "Event",
    Expires = "Expires",
    From = "From",
    HistoryInfo = "History-Info",
    InReplyTo = "In-Reply-To",
    MaxForwards = "Max-Forwards",
    MimeVersion = "MIME-Version",
    MinExpires = "Min-Expires",
    MinSe = "Min-SE",
    Organization = "Organization",
    PAccessNetworkInfo = "P-Access-Network-Info",
    PAssertedIdentity = "P-Asserted-Identity",
    Path = "Path",
    PPreferredIdentity = "P-Preferred-Identity",
    Priority = "Priority",
    Privacy = "Privacy",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyRequire = "Proxy-Require",
    RAck = "RAck",
    Reason = "Reason",
    RecordRoute = "Record-Route",
    ReferredBy = "Referred-By",
    ReferTo = "Refer-To",
    Replaces = "Replaces",
    ReplyTo = "Reply-To",
    Require = "Require",
    RetryAfter = "Retry-After",
    Route = "Route",
    RSeq = "RSeq",
    Server = "Server",
    ServiceRoute = "Service-Route",
    SessionExpires = "Session-Expires",
    SipEtag = "SIP-ETag",
    SipIfMatch = "SIP-If-Match",
    Subject = "Subject",
    SubscriptionState = "Subscription-State",
    Supported = "Supported",
    Timestamp = "Timestamp",
    To = "To",
    Unsupported = "Unsupported",
    UserAgent = "User-Agent",
    Via = "Via",
    Warning = "Warning",
    WwwAuthenticate = "WWW-Authenticate",
    Diversion = "Diversion",
}

/// Places in the table of names, more than twice as many as there are names.
const PLACES: usize = 256;

/// Where a name of at least two bytes belongs: its length, its first, its last but one and its last letter, without case.
const fn place_of(name: &[u8]) -> usize {
    let len = name.len();
    let (first, before, last) = (name[0] | 0x20, name[len - 2] | 0x20, name[len - 1] | 0x20);
    // Found by trying: one name of all stands in another's place.
    (len * 141 + first as usize * 204 + before as usize * 138 + last as usize * 127) % PLACES
}

/// The names by their places; who finds a place taken stands in the next free one.
const TABLE: [HeaderName; PLACES] = {
    let mut table = [HeaderName::Other; PLACES];
    let mut i = 0;
    while i < ALL.len() {
        let mut place = place_of(ALL[i].1.as_bytes());
        while !matches!(table[place], HeaderName::Other) {
            place = (place + 1) % PLACES;
        }
        table[place] = ALL[i].0;
        i += 1;
    }
    table
};

impl HeaderName {
    /// Any case, long or compact; what isn't known is `Other`.
    pub fn from_bytes(name: &[u8]) -> HeaderName {
        match name {
            [] => return HeaderName::Other,
            [letter] => return compact(*letter),
            _ => {}
        }
        let mut place = place_of(name);
        loop {
            let found = TABLE[place % PLACES];
            let text = found.as_str().as_bytes();
            // The empty text of `Other` ends the search: the table has free places.
            if text.is_empty() || text == name || text.eq_ignore_ascii_case(name) {
                return found;
            }
            place += 1;
        }
    }

    /// May several values stand in one line, separated by commas?
    pub const fn is_list(self) -> bool {
        use HeaderName::*;
        matches!(
            self,
            Accept
                | AcceptEncoding
                | AcceptLanguage
                | AlertInfo
                | Allow
                | AllowEvents
                | CallInfo
                | Contact
                | ContentEncoding
                | ContentLanguage
                | HistoryInfo
                | InReplyTo
                | PAccessNetworkInfo
                | PAssertedIdentity
                | Path
                | PPreferredIdentity
                | ProxyRequire
                | Reason
                | RecordRoute
                | Require
                | Route
                | ServiceRoute
                | Supported
                | Unsupported
                | Via
                | Warning
                | Diversion
        )
    }
}

/// The registered compact forms that name something we know.
const fn compact(letter: u8) -> HeaderName {
    match letter.to_ascii_lowercase() {
        b'b' => HeaderName::ReferredBy,
        b'c' => HeaderName::ContentType,
        b'e' => HeaderName::ContentEncoding,
        b'f' => HeaderName::From,
        b'i' => HeaderName::CallId,
        b'k' => HeaderName::Supported,
        b'l' => HeaderName::ContentLength,
        b'm' => HeaderName::Contact,
        b'o' => HeaderName::Event,
        b'r' => HeaderName::ReferTo,
        b's' => HeaderName::Subject,
        b't' => HeaderName::To,
        b'u' => HeaderName::AllowEvents,
        b'v' => HeaderName::Via,
        b'x' => HeaderName::SessionExpires,
        _ => HeaderName::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_prints_itself() {
        for &(name, text) in ALL {
            assert_eq!(HeaderName::from_bytes(text.as_bytes()), name, "{text}");
            assert_eq!(HeaderName::from_bytes(text.to_ascii_uppercase().as_bytes()), name, "{text}");
            assert_eq!(HeaderName::from_bytes(text.to_ascii_lowercase().as_bytes()), name, "{text}");
            assert_eq!(name.as_str(), text);
        }
    }

    #[test]
    fn compact_forms_are_their_long_forms() {
        for (short, long) in [("i", "Call-ID"), ("M", "Contact"), ("l", "Content-Length"), ("v", "Via")] {
            assert_eq!(HeaderName::from_bytes(short.as_bytes()), HeaderName::from_bytes(long.as_bytes()));
        }
        assert_eq!(HeaderName::from_bytes(b"z"), HeaderName::Other);
        assert_eq!(HeaderName::from_bytes(b""), HeaderName::Other);
        assert_eq!(HeaderName::from_bytes(&[b'a'; 300]), HeaderName::Other);
    }
}
