//! Unit tests of messages.
use super::*;

const INVITE: &str = "INVITE sip:bob@192.0.2.4 SIP/2.0\r\nv: SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKx\r\n\
    f: \"A; <b>\" <sip:alice@a.example>;tag=at\r\nTo: <sip:bob@192.0.2.4>\r\nCALL-ID : abc\r\nCSeq: 7 INVITE\r\n\
    Subject: one\r\n  two\r\nl: 3\r\n\r\nv=0trailing";

#[test]
fn a_message_is_found_by_its_names() {
    let m = Message::parse(INVITE.as_bytes()).unwrap();
    assert!(m.is_request());
    assert_eq!(m.method(), &Method::Invite);
    assert_eq!(m.request_uri_text(), "sip:bob@192.0.2.4");
    assert_eq!(m.from_tag(), Some("at"));
    assert_eq!(m.to_tag(), None);
    assert_eq!(m.call_id(), "abc");
    assert_eq!(m.cseq(), 7);
    assert_eq!(m.branch(), Some("z9hG4bKx"));
    assert_eq!(m.header(HeaderName::Subject), Some("one two"));
    assert_eq!(m.header_named("SUBJECT", 0), Some("one two"));
    assert_eq!(m.body(), b"v=0");
    assert_eq!(m.validate(), Ok(()));
    assert_eq!(m.from().unwrap().display.as_deref(), Some("A; <b>"));
}

#[test]
fn a_response_copies_what_the_request_said() {
    let m = Message::parse(INVITE.as_bytes()).unwrap();
    let source = "192.0.2.9:4444".parse().unwrap();
    let bytes = ResponseBuilder::new(&m, 180, None, source).to_tag("mine").build().unwrap();
    let r = Message::parse(&bytes).unwrap();
    assert_eq!(r.status(), 180);
    assert_eq!(r.method(), &Method::Invite);
    assert_eq!(r.to_tag(), Some("mine"));
    let via = r.top_via().unwrap();
    assert_eq!(via.param("received"), Some("192.0.2.9"));
    assert_eq!(via.param("rport"), Some("4444"));
    assert_eq!(via.branch(), Some("z9hG4bKx"));
    assert_eq!(r.validate(), Ok(()));
}

fn with(extra: &str) -> Message {
    let text = INVITE.replacen("Subject:", &format!("{extra}Subject:"), 1);
    Message::parse(text.as_bytes()).unwrap()
}

fn address(text: &str) -> NameAddr {
    NameAddr::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn defect_21_a_body_comes_through_keep_alives_and_trailing_blank_lines() {
    let text =
        format!("\r\n\r\n{}\r\n\r\n", INVITE.replace("l: 3", "l: 7").replace("v=0trailing", "v=0\r\n\r\n"));
    let m = Message::parse(text.as_bytes()).unwrap();
    assert_eq!(m.body(), b"v=0\r\n\r\n");
    assert_eq!(m.validate(), Ok(()));
    for keep_alive in ["\r\n", "\r\n\r\n", "\n"] {
        assert!(Message::parse(keep_alive.as_bytes()).unwrap_err().is_keep_alive());
    }
    assert!(!Message::parse(b"hello").unwrap_err().is_keep_alive());
    let empty = Message::parse(b"SIP/2.0 200 OK\r\nCSeq: 1 BYE\r\n\r\n\r\n\r\n").unwrap();
    assert_eq!(empty.status(), 200);
}

#[test]
fn defect_28_quotes_and_missing_users_in_from_and_to_are_read() {
    let a = address(r#""Bob \"the, <b>; \\ @" <sip:bob@b.example;x=y>;tag=1;q=0.5"#);
    assert_eq!(a.display.as_deref(), Some(r#"Bob "the, <b>; \ @"#));
    assert_eq!((a.tag(), a.param("Q"), a.uri.param("x")), (Some("1"), Some("0.5"), Some("y")));
    let a = address("<sip:192.0.2.1>;tag=2");
    assert_eq!((a.display.as_deref(), a.uri.user.as_deref(), a.tag()), (None, None, Some("2")));
    let a = address("sip:b.example:5070;tag=3;lr");
    assert_eq!((a.uri.port, a.tag(), a.uri.has_param("lr")), (Some(5070), Some("3"), false));
    let a = address("Anonymous Caller<sip:anonymous@anonymous.invalid>;tag=4");
    assert_eq!((a.display.as_deref(), a.tag()), (Some("Anonymous Caller"), Some("4")));
    let a = address("\"\" < sip:c@d > ; tag = 5");
    assert_eq!((a.display.as_deref(), &*a.uri_text, a.tag()), (Some(""), "sip:c@d", Some("5")));
    let m = with("X: y\r\n");
    assert_eq!((m.from_tag(), m.from().unwrap().tag()), (Some("at"), Some("at")));
}

#[test]
fn what_is_no_address_is_refused() {
    for text in [
        "",
        "\"open <sip:a@b>",
        "<sip:a@b",
        "\"x\" sip:a@b",
        "<sip:a@b> tag=1",
        "<sip:a@b>;;tag=1",
        "sip:a@b?c=d",
    ] {
        assert!(NameAddr::parse(text).is_err(), "{text}");
    }
    assert_eq!(NameAddr::parse("Bob <sip:b b@c>").unwrap_err().offset, 10);
}

#[test]
fn tags_are_found_without_being_fooled() {
    for (text, tag) in [
        ("<sip:a@b;tag=no>;tag=yes", Some("yes")),
        ("\"x;tag=no\" <sip:a@b>", None),
        ("sip:a@b;TAG = yes ;x", Some("yes")),
        ("<sip:a@b>;x=tag;tag=", None),
        ("<sip:a@b>;x=\";tag=no\";tag=yes", Some("yes")),
        ("<sip:a@b>", None),
    ] {
        assert_eq!(text::tag_of(text), tag, "{text}");
    }
}

#[test]
fn comma_lists_are_split_outside_of_quotes_and_brackets_only() {
    let m = with("m: \"a,b\" <sip:x@y?h=1,2>,, <sip:z@y>\r\nContact: sip:w@y\r\nDate: Sat, 13 Nov 2010 23:29:00 GMT\r\n");
    let values: Vec<_> = m.values(HeaderName::Contact).collect();
    assert_eq!(values, ["\"a,b\" <sip:x@y?h=1,2>", "<sip:z@y>", "sip:w@y"]);
    assert_eq!(m.values(HeaderName::Date).count(), 1);
    assert_eq!(m.headers(HeaderName::Contact).count(), 2);
    assert!(with("Contact: *\r\n").has_star_contact());
}

#[test]
fn a_message_without_content_length_has_the_rest_as_its_body() {
    let m = Message::parse(INVITE.replace("l: 3\r\n", "").as_bytes()).unwrap();
    assert_eq!(m.body(), b"v=0trailing");
    let m = Message::parse(INVITE.replace("\r\n", "\n").as_bytes()).unwrap();
    assert_eq!((m.header(HeaderName::Subject), m.body()), (Some("one two"), b"v=0".as_slice()));
}

#[test]
fn expiry_is_a_number_or_nothing() {
    for (line, expires) in [
        ("Expires: 3600", Some(3600)),
        ("Expires: 99999999999999999999", Some(u32::MAX)),
        ("Expires: -1", None),
        ("Expires: Thu, 01 Dec 1994 16:00:00 GMT", None),
        ("Expires:", None),
    ] {
        assert_eq!(with(&format!("{line}\r\n")).expires(), expires, "{line}");
    }
}

#[test]
fn bounds_hold() {
    let many = |n: usize| format!("OPTIONS sip:a SIP/2.0\r\n{}\r\n", "X: y\r\n".repeat(n));
    assert!(Message::parse(many(MAX_HEADER_LINES).as_bytes()).is_ok());
    assert!(Message::parse(many(MAX_HEADER_LINES + 1).as_bytes()).is_err());
    let mut long = many(1).into_bytes();
    long.resize(MAX_MESSAGE_BYTES, b'x');
    assert!(Message::parse(&long).is_ok());
    long.push(b'x');
    assert!(Message::parse(&long).is_err());
    assert!(NameAddr::parse(&format!("<sip:a@b>{}", ";x=y".repeat(65))).is_err());
}

#[test]
fn stray_returns_and_foreign_bytes_are_made_harmless() {
    let m = with("X-Odd: a\rVia: b\r\nX-Latin: caf\u{e9}\r\n");
    assert_eq!(m.header_named("X-Odd", 0), Some("a Via: b"));
    assert_eq!(m.headers(HeaderName::Via).count(), 1);
    let mut bytes = b"SIP/2.0 200 caf\xe9\r\nCSeq: 3 BYE\r\nX: \xff\xfe\r\n\r\n\xff".to_vec();
    let m = Message::parse(&bytes).unwrap();
    assert_eq!(
        (m.reason(), m.header_named("x", 0), m.body()),
        ("caf\u{fffd}", Some("\u{fffd}\u{fffd}"), b"\xff".as_slice())
    );
    bytes.truncate(20);
    assert_eq!(Message::parse(&bytes).unwrap().method(), &Method::Other("".into()));
}

#[test]
fn a_request_is_written_in_order_with_its_length() {
    let bytes = RequestBuilder::new(&Method::Message, "sip:b@c")
        .header(HeaderName::Via, "SIP/2.0/UDP a;branch=z9hG4bK1")
        .header(HeaderName::ContentLength, "99")
        .header_named("X-First", "1")
        .header(HeaderName::To, "<sip:b@c>")
        .body("text/plain", b"hi")
        .build()
        .unwrap();
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "MESSAGE sip:b@c SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nX-First: 1\r\nTo: <sip:b@c>\r\n\
         Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"
    );
}

#[test]
fn nothing_of_the_host_becomes_another_line() {
    let start = || RequestBuilder::new(&Method::Options, "sip:a");
    for value in ["x\r\nVia: y", "x\ny", "x\ry", "x\0y"] {
        assert_eq!(start().header(HeaderName::Subject, value).build().unwrap_err().offset, 1, "{value:?}");
        assert!(start().header_named("X", value).build().is_err());
        assert!(start().body(value, b"").build().is_err());
        assert!(RequestBuilder::new(&Method::Options, value).build().is_err());
        assert!(RequestBuilder::new(&Method::Other(value.into()), "sip:a").build().is_err());
    }
    for name in ["", "X Y", "X:", "X\r\nY"] {
        assert!(start().header_named(name, "v").build().is_err(), "{name:?}");
    }
    let source = "192.0.2.1:5060".parse().unwrap();
    let m = with("");
    assert!(ResponseBuilder::new(&m, 200, Some("a\r\nb"), source).build().is_err());
    assert!(ResponseBuilder::new(&m, 99, None, source).build().is_err());
    assert!(ResponseBuilder::new(&m, 200, None, source).to_tag("a b").build().is_err());
}

#[test]
fn a_response_keeps_vias_in_order_and_tells_where_the_request_came_from() {
    let m = Message::parse(
        b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;received=9.9.9.9, SIP/2.0/TCP p\r\n\
          v: SIP/2.0/UDP q;branch=z9hG4bK2\r\nTimestamp: 54\r\nRecord-Route: <sip:p;lr>\r\nFrom: <sip:c@d>;tag=1\r\n\
          To: <sip:a>;tag=2\r\nCall-ID: x\r\nCSeq: 5 OPTIONS\r\n\r\n",
    )
    .unwrap();
    let text = |source: &str, status| {
        let built = ResponseBuilder::new(&m, status, None, source.parse().unwrap()).to_tag("other");
        String::from_utf8(built.copy_record_route().build().unwrap()).unwrap()
    };
    let same = text("192.0.2.1:5070", 100);
    assert!(
        same.starts_with(
            "SIP/2.0 100 Trying\r\nVia: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1, SIP/2.0/TCP p\r\n\
         Via: SIP/2.0/UDP q;branch=z9hG4bK2\r\n"
        ),
        "{same}"
    );
    assert!(same.contains("\r\nTimestamp: 54\r\n") && same.contains("\r\nTo: <sip:a>;tag=2\r\n"), "{same}");
    let moved = text("198.51.100.7:1024", 200);
    assert!(moved.contains("z9hG4bK1;received=198.51.100.7, SIP/2.0/TCP p\r\n"), "{moved}");
    assert!(moved.contains("\r\nRecord-Route: <sip:p;lr>\r\n") && !moved.contains("Timestamp"), "{moved}");
    let odd = with("").raw().to_vec();
    let odd = String::from_utf8(odd).unwrap().replace("z9hG4bKx", "z9hG4bK/a=b$c;x=\"q;r\"");
    let built = ResponseBuilder::new(
        &Message::parse(odd.as_bytes()).unwrap(),
        200,
        None,
        "192.0.2.1:9".parse().unwrap(),
    );
    let built =
        String::from_utf8(built.header(HeaderName::Subject, "s").to_tag("late").build().unwrap()).unwrap();
    assert!(built.contains(";branch=z9hG4bK/a=b$c;x=\"q;r\";received=192.0.2.1;rport=9\r\n"), "{built}");
    assert!(built.contains("\r\nTo: <sip:bob@192.0.2.4>;tag=late\r\nCall-ID: "), "{built}");
    let mapped = text("[::ffff:192.0.2.1]:5070", 200);
    assert!(!mapped.contains("received"), "{mapped}");
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = String> {
        "[!-~é]([ -~é]{0,40}[!-~é])?"
    }

    proptest! {
        #[test]
        fn what_was_built_is_read_back(
            method in "[A-Z]{1,10}",
            user in "[a-z0-9;.]{1,12}",
            headers in proptest::collection::vec(("X-[A-Za-z0-9-]{1,12}", value()), 0..20),
            body in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let method = Method::from_token(&method);
            let uri = format!("sip:{user}@b.example");
            let mut builder = RequestBuilder::new(&method, &uri);
            for (name, value) in &headers {
                builder = builder.header_named(name, value);
            }
            let m = Message::parse(&builder.body("a/b", &body).build().unwrap()).unwrap();
            prop_assert_eq!(m.method(), &method);
            prop_assert_eq!(m.request_uri_text(), uri);
            prop_assert_eq!(m.body(), &body[..]);
            let read: Vec<_> = m.all_headers().map(|(_, n, v)| (n.to_owned(), v.to_owned())).take(headers.len()).collect();
            prop_assert_eq!(read, headers);
        }

        #[test]
        fn addresses_survive_being_written(
            display in proptest::option::of("[ -~é]{0,20}"),
            tag in "[a-z0-9]{1,8}",
            odd in "[ -~]{0,12}",
        ) {
            let address = NameAddr {
                display: display.map(Into::into),
                uri: Uri::parse("sip:a@b;x").unwrap(),
                uri_text: "sip:a@b;x".into(),
                params: vec![("tag".into(), Some(tag.into())), ("lr".into(), None), ("odd".into(), Some(odd.into()))],
            };
            let read = NameAddr::parse(&address.to_string()).unwrap();
            prop_assert_eq!(&read.display, &address.display);
            prop_assert_eq!(&read.params, &address.params);
            let written = address.to_string();
            prop_assert_eq!(text::tag_of(&written), address.tag());
        }

        #[test]
        fn any_text_at_all_is_read_or_refused(text in "\\PC{0,60}") {
            let _ = (Uri::parse(&text), NameAddr::parse(&text), Via::parse(&text), Message::parse(text.as_bytes()));
            let _ = crate::proto::sip::auth::Challenge::parse(&text, false);
        }

        #[test]
        fn a_uri_that_was_read_is_written_as_its_equal(text in "sips?:([a-z%0-9;:]{1,8}@)?[a-zA-Z0-9.]{1,9}(:[0-9]{1,4})?(;[a-z]{1,3}(=[a-z%0-9]{1,4})?){0,3}") {
            if let Ok(uri) = Uri::parse(&text) {
                let again = Uri::parse(&uri.to_string()).unwrap();
                prop_assert!(uri.equivalent(&again), "{} {}", text, uri);
                prop_assert_eq!(uri.to_string(), again.to_string());
            }
        }
    }
}
