//! Any bytes as a STUN message, alone and as the answer to a query of ours.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voip::proto::stun::message::frame_length;
use voip::proto::stun::{AttributeType, Client, ClientConfig, Credentials, Key, StunMessage};
use voip::util::{SeededRng, Time};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = StunMessage::parse(bytes) {
        assert_eq!(frame_length(bytes), Some(bytes.len()), "on a stream it ends where it ends");
        let key = Key::short_term("secret");
        let _ =
            (message.fingerprint_fits(), message.integrity_fits(&key), message.integrity_sha256_fits(&key));
        let _ = (message.mapped_address(), message.error_code(), message.not_understood().count());
        let _ = (message.unknown_attributes().count(), message.text(AttributeType::REALM));
        assert!(message.attributes().count() <= message.all_attributes().count());
    }
    let credentials = Credentials { user: "u".into(), password: String::from("p").into() };
    let config = ClientConfig { credentials: Some(credentials), ..Default::default() };
    let mut rng = SeededRng::new(1);
    let mut client = Client::new(Time::ZERO, &mut rng, config);
    // The transaction id of the query, so that the answer is looked at.
    let request = client.poll_transmit().expect("a request");
    let mut answer = bytes.to_vec();
    if let (Some(place), Some(id)) = (answer.get_mut(4..20), request.get(4..20)) {
        place.copy_from_slice(id);
    }
    client.on_message(Time::ZERO, &mut rng, &answer);
    let mut sent = 0;
    while let Some(bytes) = client.poll_transmit() {
        StunMessage::parse(&bytes).expect("our own request");
        sent += 1;
    }
    assert!(sent <= 1);
});
