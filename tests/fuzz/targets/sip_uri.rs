//! Any text as a URI, an address or a Via: what is read survives being written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use voip::proto::sip::{NameAddr, Uri, Via};

fuzz_target!(|text: &str| {
    if let Ok(uri) = Uri::parse(text) {
        let again = Uri::parse(&uri.to_string()).expect("what we wrote");
        assert!(uri.equivalent(&again));
    }
    if let Ok(address) = NameAddr::parse(text) {
        let again = NameAddr::parse(&address.to_string()).expect("what we wrote");
        assert_eq!((again.display, again.params), (address.display, address.params));
    }
    if let Ok(via) = Via::parse(text) {
        let again = Via::parse(&via.to_string()).expect("what we wrote");
        assert_eq!((again.host, again.port, again.params), (via.host, via.port, via.params));
    }
});
