//! Response codes of the registry: their phrases and what they mean (RFC 3261 section 21 and later RFCs).

/// (code, phrase, one sentence), in order of the codes.
const CODES: &[(u16, &str, &str)] = &[
    (100, "Trying", "The request was received and is being worked on."),
    (180, "Ringing", "The called phone is alerting its user."),
    (181, "Call Is Being Forwarded", "The call is on its way to other destinations."),
    (182, "Queued", "The called party is busy and the call waits in its queue."),
    (183, "Session Progress", "Tells of the call's progress, often with early media."),
    (199, "Early Dialog Terminated", "One of the early dialogs of a forked request has ended."),
    (200, "OK", "The request succeeded."),
    (202, "Accepted", "The request was accepted, its result comes later."),
    (204, "No Notification", "The subscription succeeded and no notification will follow."),
    (300, "Multiple Choices", "There are several addresses to choose from."),
    (301, "Moved Permanently", "The user is found at the address in Contact from now on."),
    (302, "Moved Temporarily", "The user is found at the address in Contact for now."),
    (305, "Use Proxy", "The request must go through the proxy in Contact."),
    (380, "Alternative Service", "The call failed, but other services are possible."),
    (400, "Bad Request", "The request could not be understood because its syntax is wrong."),
    (401, "Unauthorized", "The request needs the user's credentials."),
    (402, "Payment Required", "Reserved for requests that have to be paid for."),
    (403, "Forbidden", "The request was understood and is refused; credentials won't help."),
    (404, "Not Found", "The user does not exist at that domain."),
    (405, "Method Not Allowed", "The method is not allowed for that address; Allow lists those that are."),
    (406, "Not Acceptable", "No response could be made that fits the request's Accept."),
    (407, "Proxy Authentication Required", "The request needs credentials for the proxy."),
    (408, "Request Timeout", "The user could not be found in time."),
    (410, "Gone", "The user was here once and is no longer."),
    (412, "Conditional Request Failed", "The condition that the request made does not hold."),
    (413, "Request Entity Too Large", "The body is larger than the server wants to take."),
    (414, "Request-URI Too Long", "The Request-URI is longer than the server wants to read."),
    (
        415,
        "Unsupported Media Type",
        "The body has a format that the server does not know; Accept lists those it does.",
    ),
    (416, "Unsupported URI Scheme", "The scheme of the Request-URI is unknown to the server."),
    (417, "Unknown Resource-Priority", "The resource priority of the request is unknown."),
    (420, "Bad Extension", "The request requires extensions that the server lacks; Unsupported lists them."),
    (421, "Extension Required", "The server needs an extension that the request does not support."),
    (422, "Session Interval Too Small", "The session timer is shorter than Min-SE allows."),
    (423, "Interval Too Brief", "The expiry is shorter than Min-Expires allows."),
    (424, "Bad Location Information", "The location in the request is malformed or not enough."),
    (425, "Bad Alert Message", "The alert in the request was rejected."),
    (428, "Use Identity Header", "The request must carry an Identity header."),
    (429, "Provide Referrer Identity", "The referral needs a valid Referred-By token."),
    (430, "Flow Failed", "The connection to the user has failed, others may work."),
    (433, "Anonymity Disallowed", "Anonymous requests are refused."),
    (436, "Bad Identity Info", "The certificate that Identity points to could not be had."),
    (437, "Unsupported Credential", "The certificate of the identity cannot be checked."),
    (438, "Invalid Identity Header", "The signature of the identity is wrong."),
    (439, "First Hop Lacks Outbound Support", "The first proxy does not support outbound flows."),
    (440, "Max-Breadth Exceeded", "The request would fork more widely than it may."),
    (469, "Bad Info Package", "The info package is not one that the call takes."),
    (470, "Consent Needed", "The request needs the recipient's consent."),
    (480, "Temporarily Unavailable", "The user was reached but cannot take the call now."),
    (
        481,
        "Call/Transaction Does Not Exist",
        "The request belongs to no call or transaction that is known here.",
    ),
    (482, "Loop Detected", "The request came around to a server that it has passed."),
    (483, "Too Many Hops", "Max-Forwards has come down to zero."),
    (484, "Address Incomplete", "The number dialled is not complete."),
    (485, "Ambiguous", "The address could mean several users."),
    (486, "Busy Here", "The user is busy at this phone."),
    (487, "Request Terminated", "The request was ended by a CANCEL or a BYE."),
    (488, "Not Acceptable Here", "The session offered is not acceptable, most often its codecs."),
    (489, "Bad Event", "The event package is unknown to the server."),
    (491, "Request Pending", "Another request of the same dialog is still being worked on."),
    (493, "Undecipherable", "The body is encrypted and could not be decrypted."),
    (494, "Security Agreement Required", "A security mechanism has to be agreed on first."),
    (500, "Server Internal Error", "The server met a condition that it did not expect."),
    (501, "Not Implemented", "The server does not know the method."),
    (502, "Bad Gateway", "A server further on gave a wrong response."),
    (
        503,
        "Service Unavailable",
        "The server is overloaded or under maintenance; Retry-After says for how long.",
    ),
    (504, "Server Time-out", "A server further on did not answer in time."),
    (505, "Version Not Supported", "The server does not support that version of SIP."),
    (513, "Message Too Large", "The message is larger than the server can take."),
    (555, "Push Notification Service Not Supported", "The push notification service named is not supported."),
    (580, "Precondition Failure", "The preconditions of the session cannot be met."),
    (600, "Busy Everywhere", "The user is busy at every phone."),
    (603, "Decline", "The user does not want the call."),
    (604, "Does Not Exist Anywhere", "The user does not exist anywhere."),
    (606, "Not Acceptable", "The user wants to talk, but not with the session offered."),
    (607, "Unwanted", "The called party does not want calls of this kind from this caller."),
    (608, "Rejected", "An analysis on the way rejected the call."),
];

/// The class's phrase and sentence for codes that aren't registered (RFC 3261 section 8.1.3.2).
const CLASSES: [(&str, &str); 7] = [
    ("Unknown Status", "No such class of responses exists."),
    ("Progress", "The request is being worked on."),
    ("Success", "The request succeeded."),
    ("Redirection", "The request has to go elsewhere."),
    ("Client Error", "The request failed at this server."),
    ("Server Error", "The server failed at a request that looks valid."),
    ("Global Failure", "The request would fail at every server."),
];

fn find(status: u16) -> (&'static str, &'static str) {
    match CODES.binary_search_by_key(&status, |row| row.0) {
        Ok(at) => (CODES[at].1, CODES[at].2),
        Err(_) => CLASSES.get(usize::from(status / 100)).copied().unwrap_or(CLASSES[0]),
    }
}

/// The reason phrase of a code; for one that isn't registered that of its class.
pub fn status_phrase(status: u16) -> &'static str {
    find(status).0
}

/// One sentence on what a code means.
pub fn status_description(status: u16) -> &'static str {
    find(status).1
}

/// Every registered code, in order.
pub fn registered_codes() -> impl Iterator<Item = u16> {
    CODES.iter().map(|row| row.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_each_code_finds_itself() {
        assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(CODES.iter().all(|(code, phrase, sentence)| {
            status_phrase(*code) == *phrase
                && status_description(*code) == *sentence
                && sentence.ends_with('.')
        }));
        assert_eq!(status_phrase(486), "Busy Here");
    }

    #[test]
    fn an_unknown_code_is_named_after_its_class() {
        assert_eq!(status_phrase(499), "Client Error");
        assert_eq!(status_phrase(199), "Early Dialog Terminated");
        assert_eq!(status_phrase(0), "Unknown Status");
        assert_eq!(status_phrase(999), "Unknown Status");
        assert_eq!(status_phrase(u16::MAX), "Unknown Status");
    }
}
