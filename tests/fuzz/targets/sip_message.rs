//! Any datagram: nothing falls over, and what can be read can be answered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voip::proto::sip::message::Draft;
use voip::proto::sip::{HeaderName, Message, ResponseBuilder};

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::parse(bytes) else { return };
    let _ = (message.validate(), message.from(), message.to(), message.top_via(), message.contacts());
    let _ = (message.from_tag(), message.to_tag(), message.branch(), message.expires(), message.body());
    for (name, text, _) in message.all_headers() {
        assert!(message.header_named(text, 0).is_some());
        message.values(name).for_each(drop);
    }
    let source = ([192, 0, 2, 1], 5060).into();
    let response = ResponseBuilder::new(&message, 400, None, source).to_tag("t").copy_record_route().build();
    let response = response.expect("a response to whatever was read");
    assert_eq!(Message::parse(&response).expect("our own response").status(), 400);
    if let Ok(written) = Draft::of(&message).write() {
        let again = Message::parse(&written).expect("what was read is written so that it can be read");
        assert_eq!(again.body(), message.body());
        let others = |m: &Message| m.all_headers().filter(|h| h.0 != HeaderName::ContentLength).count();
        assert_eq!(others(&again), others(&message));
    }
});
