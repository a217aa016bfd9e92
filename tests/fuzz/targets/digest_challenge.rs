//! Any text as a challenge: what is answered is one line, and the nonce count goes up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voip::proto::sip::auth::{Challenge, Credentials, Secret, Session};
use voip::proto::sip::{HeaderName, Message, Method, RequestBuilder};
use voip::util::SeededRng;

fuzz_target!(|text: &str| {
    let _ = Challenge::parse(text, false);
    let response = format!("SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: {text}\r\n\r\n");
    let Ok(response) = Message::parse(response.as_bytes()) else { return };
    let request = RequestBuilder::new(&Method::Register, "sip:a").build().expect("a request");
    let request = Message::parse(&request).expect("our own request");
    let who = [Credentials {
        realm: None,
        user: "alice".into(),
        secret: Secret::Password(String::from("secret").into()),
    }];
    let mut session = Session::new();
    if session.challenged(&response, &request, &who).is_err() {
        return;
    }
    let mut rng = SeededRng::new(1);
    let mut authorize = || session.authorize(&mut rng, &Method::Register, "sip:a", b"", &who);
    let (first, second) = (authorize(), authorize());
    assert_ne!(first, Vec::new());
    for (_, value) in first.iter().chain(&second) {
        let written = RequestBuilder::new(&Method::Register, "sip:a").header(HeaderName::Authorization, value);
        let read = Message::parse(&written.build().expect("one line")).expect("our own request");
        assert!(read.header(HeaderName::Authorization).is_some());
    }
});
