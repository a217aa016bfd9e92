//! SRTP, SRTCP and SDES against the RFCs' figures and packets that libsrtp made.

mod support;

use support::Json;
use voip::proto::srtp::{Crypto, MasterKey, Profile, Protector, Unprotector};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn bytes(case: &Json, name: &str) -> Vec<u8> {
    case.get(name).text().map(hex).unwrap_or_default()
}

fn number(case: &Json, name: &str) -> Option<u64> {
    match case.get(name) {
        Json::Number(n) => Some(*n as u64),
        _ => None,
    }
}

fn list<'a>(case: &'a Json, name: &str) -> &'a [Json] {
    match case.get(name) {
        Json::List(items) => items,
        _ => &[],
    }
}

fn profile(name: &str) -> Profile {
    Profile::from_name(name).unwrap_or_else(|| panic!("unknown profile {name}"))
}

struct Pair {
    tx: Protector,
    rx: Unprotector,
}

fn pair(case: &Json) -> Pair {
    let profile = profile(case.get("profile").text().unwrap());
    let master =
        MasterKey::new(profile, &bytes(case, "master_key"), &bytes(case, "master_salt"), &bytes(case, "mki"))
            .unwrap();
    Pair { tx: Protector::new(&master).unwrap(), rx: Unprotector::new(&master).unwrap() }
}

fn rtp_round(id: &str, pair: &mut Pair, plain: &[u8], protected: &[u8]) {
    let mut wire = plain.to_vec();
    wire.resize(plain.len() + pair.tx.rtp_overhead(), 0);
    let n = pair.tx.protect_rtp(&mut wire, plain.len()).unwrap_or_else(|e| panic!("{id}: {e}"));
    assert_eq!(&wire[..n], protected, "{id}: protected RTP");
    let n = pair.rx.unprotect_rtp(&mut wire).unwrap_or_else(|e| panic!("{id}: {e}"));
    assert_eq!(&wire[..n], plain, "{id}: unprotected RTP");
}

fn rtcp_round(id: &str, pair: &mut Pair, plain: &[u8], protected: &[u8]) {
    let mut wire = plain.to_vec();
    wire.resize(plain.len() + pair.tx.rtcp_overhead(), 0);
    let n = pair.tx.protect_rtcp(&mut wire, plain.len()).unwrap_or_else(|e| panic!("{id}: {e}"));
    assert_eq!(&wire[..n], protected, "{id}: protected RTCP");
    let n = pair.rx.unprotect_rtcp(&mut wire).unwrap_or_else(|e| panic!("{id}: {e}"));
    assert_eq!(&wire[..n], plain, "{id}: unprotected RTCP");
}

fn sdes(id: &str, case: &Json) {
    let line = case.get("line").text().unwrap();
    let crypto = Crypto::parse(line).unwrap_or_else(|e| panic!("{id}: {e:?}"));
    let expect = case.get("expect");
    assert_eq!(number(expect, "tag"), Some(u64::from(crypto.tag)), "{id}");
    assert_eq!(expect.get("suite").text(), Some(&*crypto.suite), "{id}");
    let keys = list(expect, "keys");
    assert_eq!(keys.len(), crypto.keys.len(), "{id}");
    for (key, row) in crypto.keys.iter().zip(keys) {
        let whole = [bytes(row, "master_key"), bytes(row, "master_salt")].concat();
        assert_eq!(*key.key_and_salt, whole, "{id}");
        assert_eq!(key.lifetime, number(row, "lifetime"), "{id}");
        let value = |mki: &[u8]| mki.iter().fold(0, |n, b| n << 8 | u64::from(*b));
        assert_eq!(key.mki.as_deref().map(value), number(row, "mki"), "{id}");
        assert_eq!(key.mki.as_ref().map(|mki| mki.len() as u64), number(row, "mki_length"), "{id}");
    }
    let params: Vec<_> = list(expect, "session_params").iter().filter_map(Json::text).collect();
    assert_eq!(params, crypto.params.iter().map(|p| &**p).collect::<Vec<_>>(), "{id}");
    let again = Crypto::parse(&crypto.write()).unwrap();
    assert_eq!(*again.write(), *crypto.write(), "{id}");
}

#[test]
fn packets_of_libsrtp_and_lines_of_the_rfcs_come_out_to_the_bit() {
    let Some(vectors) = support::vectors() else {
        println!("0 SRTP cases: the shared vectors are not here");
        return;
    };
    let mut ran = 0;
    for case in support::cases(&vectors.join("05_srtp")) {
        let id = case.get("id").text().unwrap().to_owned();
        match case.get("kind").text().unwrap() {
            "srtp_packet_master_keys" => {
                let mut pair = pair(&case);
                rtp_round(&id, &mut pair, &bytes(&case, "plain"), &bytes(&case, "protected"));
                // The NULL suite's RTCP row has the E bit off.
                pair.tx.set_encryption(true, !id.contains("null"));
                if number(&case, "rtcp_srtcp_index").is_some() || id.contains("null") {
                    rtcp_round(&id, &mut pair, &bytes(&case, "rtcp_plain"), &bytes(&case, "rtcp_protected"));
                }
            }
            "srtp_sequence_master_keys" => {
                let mut pair = pair(&case);
                for row in list(&case, "rtp") {
                    rtp_round(&id, &mut pair, &bytes(row, "plain"), &bytes(row, "protected"));
                }
                for row in list(&case, "rtcp") {
                    rtcp_round(&id, &mut pair, &bytes(row, "plain"), &bytes(row, "protected"));
                }
            }
            "sdes_line" => sdes(&id, &case),
            // Session keys by themselves and key streams are unit tests of the crate; F8 isn't offered.
            _ => continue,
        }
        ran += 1;
    }
    println!("{ran} SRTP cases");
    assert!(ran > 0);
}

#[test]
fn no_byte_of_the_sdes_corpus_panics() {
    let Some(vectors) = support::vectors() else { return };
    let mut ran = 0;
    for case in support::cases(&vectors.join("05_srtp_fuzz")) {
        for file in list(&case, "files") {
            let path = vectors.join("05_srtp_fuzz").join(file.get("path").text().unwrap());
            let text = std::fs::read(path).unwrap();
            for line in String::from_utf8_lossy(&text).lines() {
                if let Ok(crypto) = Crypto::parse(line) {
                    assert!(Crypto::parse(&crypto.write()).is_ok(), "{line}");
                }
            }
            ran += 1;
        }
    }
    println!("{ran} SDES seeds");
}
