//! Any text as a crypto attribute: what is read is written and read back the same.

use voip::proto::srtp::{Crypto, Protector, Unprotector};

/// True if it is a crypto attribute.
pub fn run(text: &str) -> bool {
    let crypto = match Crypto::parse(text) {
        Ok(crypto) => crypto,
        Err(error) => {
            assert!(error.offset <= text.len());
            return false;
        }
    };
    assert!((1..=8).contains(&crypto.keys.len()) && crypto.params.len() <= 16);
    let written = crypto.write();
    let again = Crypto::parse(&written).expect("our own attribute");
    assert_eq!(*again.write(), *written);
    assert_eq!((again.tag, &again.suite, &again.params), (crypto.tag, &crypto.suite, &crypto.params));
    for (a, b) in again.keys.iter().zip(&crypto.keys) {
        assert_eq!(*a.key_and_salt, *b.key_and_salt);
        assert_eq!((a.lifetime, &a.mki), (b.lifetime, &b.mki));
    }
    if let Ok(master) = crypto.master_key() {
        assert_eq!(Some(master.profile()), crypto.profile());
        assert!(Protector::new(&master).is_ok() && Unprotector::new(&master).is_ok());
    }
    true
}
