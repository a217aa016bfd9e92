//! Phrases and descriptions of SIP status codes (RFC 3261 section 21 and IANA's registry).

use std::ffi::{c_char, CStr};

/// SIP status codes by name (RFC 3261 section 21 and IANA's registry).
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum voip_sip_code {
    VOIP_SIP_TRYING = 100,
    VOIP_SIP_RINGING = 180,
    VOIP_SIP_CALL_IS_BEING_FORWARDED = 181,
    VOIP_SIP_QUEUED = 182,
    VOIP_SIP_SESSION_PROGRESS = 183,
    VOIP_SIP_EARLY_DIALOG_TERMINATED = 199,
    VOIP_SIP_OK = 200,
    VOIP_SIP_ACCEPTED = 202,
    VOIP_SIP_NO_NOTIFICATION = 204,
    VOIP_SIP_MULTIPLE_CHOICES = 300,
    VOIP_SIP_MOVED_PERMANENTLY = 301,
    VOIP_SIP_MOVED_TEMPORARILY = 302,
    VOIP_SIP_USE_PROXY = 305,
    VOIP_SIP_ALTERNATIVE_SERVICE = 380,
    VOIP_SIP_BAD_REQUEST = 400,
    VOIP_SIP_UNAUTHORIZED = 401,
    VOIP_SIP_PAYMENT_REQUIRED = 402,
    VOIP_SIP_FORBIDDEN = 403,
    VOIP_SIP_NOT_FOUND = 404,
    VOIP_SIP_METHOD_NOT_ALLOWED = 405,
    VOIP_SIP_NOT_ACCEPTABLE = 406,
    VOIP_SIP_PROXY_AUTHENTICATION_REQUIRED = 407,
    VOIP_SIP_REQUEST_TIMEOUT = 408,
    VOIP_SIP_CONFLICT = 409,
    VOIP_SIP_GONE = 410,
    VOIP_SIP_LENGTH_REQUIRED = 411,
    VOIP_SIP_CONDITIONAL_REQUEST_FAILED = 412,
    VOIP_SIP_REQUEST_ENTITY_TOO_LARGE = 413,
    VOIP_SIP_REQUEST_URI_TOO_LONG = 414,
    VOIP_SIP_UNSUPPORTED_MEDIA_TYPE = 415,
    VOIP_SIP_UNSUPPORTED_URI_SCHEME = 416,
    VOIP_SIP_UNKNOWN_RESOURCE_PRIORITY = 417,
    VOIP_SIP_BAD_EXTENSION = 420,
    VOIP_SIP_EXTENSION_REQUIRED = 421,
    VOIP_SIP_SESSION_INTERVAL_TOO_SMALL = 422,
    VOIP_SIP_INTERVAL_TOO_BRIEF = 423,
    VOIP_SIP_BAD_LOCATION_INFORMATION = 424,
    VOIP_SIP_BAD_ALERT_MESSAGE = 425,
    VOIP_SIP_USE_IDENTITY_HEADER = 428,
    VOIP_SIP_PROVIDE_REFERRER_IDENTITY = 429,
    VOIP_SIP_FLOW_FAILED = 430,
    VOIP_SIP_ANONYMITY_DISALLOWED = 433,
    VOIP_SIP_BAD_IDENTITY_INFO = 436,
    VOIP_SIP_UNSUPPORTED_CREDENTIAL = 437,
    VOIP_SIP_INVALID_IDENTITY_HEADER = 438,
    VOIP_SIP_FIRST_HOP_LACKS_OUTBOUND_SUPPORT = 439,
    VOIP_SIP_MAX_BREADTH_EXCEEDED = 440,
    VOIP_SIP_BAD_INFO_PACKAGE = 469,
    VOIP_SIP_CONSENT_NEEDED = 470,
    VOIP_SIP_TEMPORARILY_UNAVAILABLE = 480,
    VOIP_SIP_CALL_TRANSACTION_DOES_NOT_EXIST = 481,
    VOIP_SIP_LOOP_DETECTED = 482,
    VOIP_SIP_TOO_MANY_HOPS = 483,
    VOIP_SIP_ADDRESS_INCOMPLETE = 484,
    VOIP_SIP_AMBIGUOUS = 485,
    VOIP_SIP_BUSY_HERE = 486,
    VOIP_SIP_REQUEST_TERMINATED = 487,
    VOIP_SIP_NOT_ACCEPTABLE_HERE = 488,
    VOIP_SIP_BAD_EVENT = 489,
    VOIP_SIP_REQUEST_PENDING = 491,
    VOIP_SIP_UNDECIPHERABLE = 493,
    VOIP_SIP_SECURITY_AGREEMENT_REQUIRED = 494,
    VOIP_SIP_SERVER_INTERNAL_ERROR = 500,
    VOIP_SIP_NOT_IMPLEMENTED = 501,
    VOIP_SIP_BAD_GATEWAY = 502,
    VOIP_SIP_SERVICE_UNAVAILABLE = 503,
    VOIP_SIP_SERVER_TIME_OUT = 504,
    VOIP_SIP_VERSION_NOT_SUPPORTED = 505,
    VOIP_SIP_MESSAGE_TOO_LARGE = 513,
    VOIP_SIP_PUSH_NOTIFICATION_SERVICE_NOT_SUPPORTED = 555,
    VOIP_SIP_PRECONDITION_FAILURE = 580,
    VOIP_SIP_BUSY_EVERYWHERE = 600,
    VOIP_SIP_DECLINE = 603,
    VOIP_SIP_DOES_NOT_EXIST_ANYWHERE = 604,
    VOIP_SIP_NOT_ACCEPTABLE_606 = 606,
    VOIP_SIP_UNWANTED = 607,
    VOIP_SIP_REJECTED = 608,
}

/// Code, phrase, what it means to a caller; sorted by code.
static STATUSES: &[(i32, &CStr, &CStr)] = &[
    (100, c"Trying", c"the request was received and is being worked on"),
    (180, c"Ringing", c"the other side's phone rings"),
    (181, c"Call Is Being Forwarded", c"the call is sent on to another place"),
    (182, c"Queued", c"the other side cannot take the call now and keeps it in a queue"),
    (183, c"Session Progress", c"the call makes progress; early media may flow"),
    (199, c"Early Dialog Terminated", c"one of the places that rang has given up"),
    (200, c"OK", c"the request succeeded"),
    (202, c"Accepted", c"the request was taken and will be worked on"),
    (204, c"No Notification", c"the request succeeded and no notification follows"),
    (300, c"Multiple Choices", c"the address leads to several places; choose one"),
    (301, c"Moved Permanently", c"the user is at another address now and will stay there"),
    (302, c"Moved Temporarily", c"the user is at another address for the time being"),
    (305, c"Use Proxy", c"the user can only be reached through the proxy that is named"),
    (380, c"Alternative Service", c"the call failed, but another service is offered"),
    (400, c"Bad Request", c"the request is malformed"),
    (401, c"Unauthorized", c"the server asks for credentials"),
    (402, c"Payment Required", c"reserved for payment"),
    (403, c"Forbidden", c"the request was understood and is refused"),
    (404, c"Not Found", c"there is no such user here"),
    (405, c"Method Not Allowed", c"the method is known but not for this address"),
    (406, c"Not Acceptable", c"no body in an acceptable form can be given"),
    (407, c"Proxy Authentication Required", c"the proxy asks for credentials"),
    (408, c"Request Timeout", c"no answer could be found in time"),
    (409, c"Conflict", c"the request conflicts with the state of the resource"),
    (410, c"Gone", c"the user was here once and left no address"),
    (411, c"Length Required", c"the request must say its length"),
    (412, c"Conditional Request Failed", c"the condition of the request is not met"),
    (413, c"Request Entity Too Large", c"the body is larger than the server takes"),
    (414, c"Request-URI Too Long", c"the address is longer than the server takes"),
    (415, c"Unsupported Media Type", c"the form of the body is not supported"),
    (416, c"Unsupported URI Scheme", c"the kind of address is not supported"),
    (417, c"Unknown Resource-Priority", c"the priority that is asked for is unknown"),
    (420, c"Bad Extension", c"an extension that is required is not supported"),
    (421, c"Extension Required", c"the server needs an extension that the request lacks"),
    (422, c"Session Interval Too Small", c"the session timer is below the least allowed"),
    (423, c"Interval Too Brief", c"the expiry is below the least allowed"),
    (424, c"Bad Location Information", c"the location is missing or unusable"),
    (425, c"Bad Alert Message", c"the alert message is unusable"),
    (428, c"Use Identity Header", c"the server needs an Identity header"),
    (429, c"Provide Referrer Identity", c"the server needs a valid Referred-By"),
    (430, c"Flow Failed", c"the connection to the user is broken"),
    (433, c"Anonymity Disallowed", c"anonymous calls are not taken"),
    (436, c"Bad Identity Info", c"the certificate of the identity could not be fetched"),
    (437, c"Unsupported Credential", c"the certificate of the identity is not accepted"),
    (438, c"Invalid Identity Header", c"the signature of the identity is wrong"),
    (439, c"First Hop Lacks Outbound Support", c"the first proxy cannot keep a flow"),
    (440, c"Max-Breadth Exceeded", c"the call was forked too widely"),
    (469, c"Bad Info Package", c"the info package is not known"),
    (470, c"Consent Needed", c"the receiver has not agreed to be reached this way"),
    (480, c"Temporarily Unavailable", c"the user cannot be reached now"),
    (481, c"Call/Transaction Does Not Exist", c"the other side knows no such call"),
    (482, c"Loop Detected", c"the request came back to where it was"),
    (483, c"Too Many Hops", c"the request passed through too many proxies"),
    (484, c"Address Incomplete", c"digits are missing"),
    (485, c"Ambiguous", c"the address fits several users"),
    (486, c"Busy Here", c"the user is busy"),
    (487, c"Request Terminated", c"the call was cancelled"),
    (488, c"Not Acceptable Here", c"the session that is offered is not acceptable, often no codec in common"),
    (489, c"Bad Event", c"the event package is not known"),
    (491, c"Request Pending", c"both sides change the call at the same time"),
    (493, c"Undecipherable", c"the body could not be decrypted"),
    (494, c"Security Agreement Required", c"the server asks for a security agreement"),
    (500, c"Server Internal Error", c"the server failed"),
    (501, c"Not Implemented", c"the server does not know the method"),
    (502, c"Bad Gateway", c"a server further on gave no valid answer"),
    (503, c"Service Unavailable", c"the server is overloaded or being maintained"),
    (504, c"Server Time-out", c"a server further on did not answer in time"),
    (505, c"Version Not Supported", c"the version of SIP is not supported"),
    (513, c"Message Too Large", c"the message is larger than the server takes"),
    (555, c"Push Notification Service Not Supported", c"the push service is not supported"),
    (580, c"Precondition Failure", c"a condition of the session cannot be met"),
    (600, c"Busy Everywhere", c"the user is busy at all places"),
    (603, c"Decline", c"the user does not want the call"),
    (604, c"Does Not Exist Anywhere", c"there is no such user anywhere"),
    (606, c"Not Acceptable", c"the session is not acceptable anywhere"),
    (607, c"Unwanted", c"the user marked the call as unwanted"),
    (608, c"Rejected", c"a machine rejected the call as unwanted"),
];

/// Gives the usual phrase of a SIP status, like `Busy Here` for 486.
///
/// @param code 100 to 699; an unknown code has the phrase of its class (x00), another number `Unknown`.
/// @return a static string, never NULL.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_sip_status_phrase(code: i32) -> *const c_char {
    row(code).map_or(c"Unknown", |row| row.1).as_ptr()
}

/// Says in one English line what a SIP status means.
///
/// @param code as `voip_sip_status_phrase`.
/// @return a static string, never NULL.
///
/// Thread: any. Real-time safe.
/// Callback: yes.
/// Blocks: no.
/// Errors: none.
/// Since: 0.1.0
#[no_mangle]
pub extern "C" fn voip_sip_status_description(code: i32) -> *const c_char {
    row(code).map_or(c"not a SIP status", |row| row.2).as_ptr()
}

/// The row of a code, or of its class (RFC 3261 section 8.1.3.2).
fn row(code: i32) -> Option<&'static (i32, &'static CStr, &'static CStr)> {
    let find = |code: i32| STATUSES.iter().find(|row| row.0 == code);
    if !(100..=699).contains(&code) {
        return None;
    }
    find(code).or_else(|| find(code / 100 * 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_code_is_its_class() {
        assert_eq!(row(486).unwrap().1, c"Busy Here");
        assert_eq!(row(499).unwrap().1, c"Bad Request");
        assert!(row(99).is_none() && row(700).is_none());
        assert!(STATUSES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
