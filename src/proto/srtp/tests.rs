use super::*;
use crate::util::SeededRng;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn rtp(sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend(1000u32.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

fn pair(profile: Profile) -> (Protector, Unprotector) {
    let master = MasterKey::generate(profile, &mut SeededRng::new(7));
    (Protector::new(&master).unwrap(), Unprotector::new(&master).unwrap())
}

fn protect(p: &mut Protector, plain: &[u8]) -> Vec<u8> {
    let mut buf = plain.to_vec();
    buf.resize(plain.len() + p.rtp_overhead(), 0);
    let n = p.protect_rtp(&mut buf, plain.len()).unwrap();
    buf.truncate(n);
    buf
}

#[test]
fn session_keys_are_those_of_rfc_3711_appendix_b3() {
    let key = hex("e1f97a0d3e018be0d64fa32c06de4139");
    let salt = hex("0ec675ad498afeebb6960b3aabe6");
    let master = MasterKey::new(Profile::AesCm128HmacSha1_80, &key, &salt, &[]).unwrap();
    let keys = master.rtp_keys().unwrap();
    assert_eq!(*keys.cipher, hex("c61e7a93744f39ee10734afe3ff7a087"));
    assert_eq!(keys.salt.to_vec(), hex("30cbbc08863d8c85d49db34a9ae1"));
    assert_eq!(keys.auth.to_vec(), hex("cebe321f6ff7716b6fd4ab49af256a156d38baa4"));
    let keys = master.rtcp_keys().unwrap();
    assert_eq!(*keys.cipher, hex("4c1aa45a81f73d61c800bbb00fbb1eaa"));
    assert_eq!(keys.salt.to_vec(), hex("9581c7ad87b3e530bf3e4454a8b3"));
}

#[test]
fn every_profile_gives_back_what_it_protected_rtp_and_rtcp() {
    for profile in Profile::ALL {
        let (mut tx, mut rx) = pair(profile);
        let plain = rtp(17, 0xcafe_babe, b"a frame of speech");
        let mut wire = protect(&mut tx, &plain);
        assert_eq!(wire.len(), plain.len() + profile.rtp_tag_bytes(), "{profile:?}");
        let n = rx.unprotect_rtp(&mut wire).unwrap();
        assert_eq!(&wire[..n], &plain[..], "{profile:?}");
        for encrypt in [true, false] {
            tx.set_encryption(true, encrypt);
            let plain = hex("81c8000bcafebabeabababababababababababababababab");
            let mut buf = plain.clone();
            buf.resize(plain.len() + tx.rtcp_overhead(), 0);
            let n = tx.protect_rtcp(&mut buf, plain.len()).unwrap();
            assert_eq!(n, buf.len());
            let n = rx.unprotect_rtcp(&mut buf).unwrap();
            assert_eq!(&buf[..n], &plain[..], "{profile:?} encrypt {encrypt}");
        }
    }
}

#[test]
fn a_replayed_a_forged_and_an_ancient_packet_are_refused_and_change_nothing() {
    for profile in [Profile::AesCm128HmacSha1_80, Profile::AeadAes128Gcm] {
        let (mut tx, mut rx) = pair(profile);
        let old = protect(&mut tx, &rtp(1, 9, b"one"));
        let next = protect(&mut tx, &rtp(200, 9, b"two"));
        let mut copy = next.clone();
        rx.unprotect_rtp(&mut copy).unwrap();
        assert_eq!(rx.unprotect_rtp(&mut next.clone()), Err(SrtpError::Replay));
        assert_eq!(rx.unprotect_rtp(&mut old.clone()), Err(SrtpError::Replay), "behind the window");
        let third = protect(&mut tx, &rtp(201, 9, b"three"));
        for at in [0, 1, 12, third.len() - 1] {
            let mut forged = third.clone();
            forged[at] ^= 0x01;
            let refused = rx.unprotect_rtp(&mut forged);
            assert!(refused.is_err(), "{profile:?}: byte {at} changed, {refused:?}");
        }
        assert!(rx.unprotect_rtp(&mut third.clone()).is_ok(), "the forgeries left no trace");
    }
}

#[test]
fn the_roll_over_counter_follows_through_loss_and_reordering_at_the_wrap() {
    let (mut tx, mut rx) = pair(Profile::AesCm128HmacSha1_80);
    let wires: Vec<_> =
        (0..8u16).map(|i| protect(&mut tx, &rtp(0xfffc_u16.wrapping_add(i), 5, &[i as u8]))).collect();
    for i in [0usize, 2, 5, 3, 7, 4, 6, 1] {
        let mut wire = wires[i].clone();
        let n = rx.unprotect_rtp(&mut wire).unwrap_or_else(|e| panic!("packet {i}: {e:?}"));
        assert_eq!(wire[n - 1], i as u8);
    }
    assert_eq!(tx.roc(5), Some(1));
    assert_eq!(rx.roc(5), Some(1));
}

#[test]
fn a_sequence_number_is_never_sent_twice_with_one_key() {
    let (mut tx, _) = pair(Profile::AeadAes256Gcm);
    protect(&mut tx, &rtp(10, 1, b"x"));
    let plain = rtp(10, 1, b"y");
    let mut buf = [plain, vec![0; 16]].concat();
    assert_eq!(tx.protect_rtp(&mut buf, 13), Err(SrtpError::Replay));
}

#[test]
fn sources_are_bounded_and_lengths_are_checked() {
    let (mut tx, mut rx) = pair(Profile::AesCm128HmacSha1_32);
    for ssrc in 0..MAX_STREAMS as u32 {
        protect(&mut tx, &rtp(1, ssrc, b"x"));
    }
    let mut buf = [rtp(1, 99_999, b"x"), vec![0; 4]].concat();
    assert_eq!(tx.protect_rtp(&mut buf, 13), Err(SrtpError::Streams));
    assert_eq!(tx.protect_rtp(&mut buf[..14], 13), Err(SrtpError::Buffer));
    for n in 0..16 {
        assert_eq!(rx.unprotect_rtp(&mut vec![0x80; n]), Err(SrtpError::Packet), "{n} bytes");
        assert_eq!(rx.unprotect_rtcp(&mut vec![0x80; n]), Err(SrtpError::Packet), "{n} bytes");
    }
}

#[test]
fn a_crypto_attribute_is_read_and_written() {
    let line = "a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|2^20|1:4";
    let crypto = Crypto::parse(line).unwrap();
    assert_eq!(crypto.profile(), Some(Profile::AesCm128HmacSha1_32));
    assert_eq!(crypto.keys[0].lifetime, Some(1 << 20));
    assert_eq!(crypto.master_key().unwrap().mki(), [0, 0, 0, 1]);
    assert_eq!(format!("a=crypto:{}", *crypto.write()), line);
    for bad in
        ["", "x", "01 A inline:AA==", "1 A", "1 A inline:", "1 A inline:!!", "1 A inline:AA==|0", "1 A AA=="]
    {
        assert!(Crypto::parse(bad).is_err(), "{bad:?} was accepted");
    }
    assert!(!format!("{crypto:?}").contains("NzB4"));
}

#[test]
fn the_aes_cm_key_stream_is_that_of_rfc_3711_b2_and_rfc_6188() {
    let rows = [
        (
            "2b7e151628aed2a6abf7158809cf4f3c",
            "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab",
            "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44",
        ),
        (
            "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
            "92bdd28a93c3f52511c677d08b5515a49da71b2378a854f67050756ded165bac",
            "cea518c90fd91ced9cbb18c078a547113dbc4814f4da5f00a08772b63c6a046d6eb246913062a16891433e97dd01a57f",
        ),
    ];
    for (key, first, last) in rows {
        let mut iv = [0; 16];
        iv.copy_from_slice(&hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000"));
        let mut stream = vec![0; 1_044_512];
        cipher::Block::new(&hex(key)).unwrap().apply(&iv, &mut stream);
        assert_eq!(stream[..32], hex(first));
        assert_eq!(stream[stream.len() - 48..], hex(last));
    }
}

#[test]
fn gcm_with_the_session_keys_of_rfc_7714_section_16() {
    let head = hex("8040f17b8041f8d35501a0b2");
    let mut data = b"Gallia est omnis divisa in partes tres".to_vec();
    let keys = |cipher: &str| keys::SessionKeys {
        cipher: hex(cipher).into(),
        auth: zeroize::Zeroizing::new([0; 20]),
        salt: {
            let mut salt = [0; 14];
            salt[..12].copy_from_slice(&hex("517569642070726f2071756f"));
            salt
        },
    };
    let small = keys("000102030405060708090a0b0c0d0e0f");
    let gcm = cipher::Transform::new(Profile::AeadAes128Gcm, &small, 16).unwrap();
    let tag = gcm.seal(0x5501_a0b2, 0xf17b, &head, &mut data).unwrap();
    assert_eq!(data, hex("f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"));
    assert_eq!(tag.to_vec(), hex("899d7f27beb16a9152cf765ee4390cce"));
    gcm.open(0x5501_a0b2, 0xf17b, &head, &mut data, &tag).unwrap();
    let large = keys("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    let gcm = cipher::Transform::new(Profile::AeadAes256Gcm, &large, 16).unwrap();
    let tag = gcm.seal(0x5501_a0b2, 0xf17b, &head, &mut data).unwrap();
    assert_eq!(data, hex("32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b"));
    assert_eq!(tag.to_vec(), hex("7aa3db36dfffd6b0f9bb7878d7a76c13"));
}

#[test]
fn a_sender_may_go_from_one_key_to_another_in_the_middle_of_its_sequence() {
    for profile in Profile::ALL {
        let mut rng = SeededRng::new(5);
        let keys = [b"\0\x01", b"\0\x02", b"\0\x03"].map(|mki| {
            let both = MasterKey::generate(profile, &mut rng).key_and_salt();
            let (key, salt) = both.split_at(profile.key_bytes());
            MasterKey::new(profile, key, salt, mki).expect("a key")
        });
        let mut receive = Unprotector::with_keys(&keys).expect("a receiver");
        let mut senders = keys.each_ref().map(|key| Protector::new(key).expect("a sender"));
        for (n, sender) in [(0xffffu16, 0), (0, 2), (1, 1), (2, 0)] {
            let [high, low] = n.to_be_bytes();
            let mut packet = [&[0x80, 0, high, low, 0, 0, 0, 0, 0, 0, 0, 9, 1, 2, 3], &[0; 40][..]].concat();
            if n < 9 {
                senders[sender].set_roc(9, 1).expect("a source");
            }
            let sealed = senders[sender].protect_rtp(&mut packet, 15).expect("protected");
            let mut again = packet.clone();
            assert_eq!(receive.unprotect_rtp(&mut packet[..sealed]), Ok(15), "{profile:?} {n}");
            assert_eq!(packet[12..15], [1, 2, 3]);
            assert_eq!(receive.unprotect_rtp(&mut again[..sealed]), Err(SrtpError::Replay));
        }
        let same = [keys[0].clone(), keys[0].clone()];
        assert!(matches!(Unprotector::with_keys(&same), Err(SrtpError::Mki)));
        assert!(matches!(Unprotector::with_keys(&[]), Err(SrtpError::Key)));
    }
}
