"""Calls to and from baresip: what one plays, the other finds again."""

from audio import expect_tone
from kit import TLS, Baresip, Kamailio, need


def keys_for(phone, call):
    """About two seconds of talking, counted by the keys' own duration."""
    phone.say(f"keys {call} 1www2")
    phone.event("dtmf_sent", call=call)


def test_a_call_to_baresip_carries_a_tone_both_ways(kit):
    peer = Baresip(kit, "baresip", tone=1000)
    phone = kit.phone("alice", "--audio", "tone:440", "--record", kit.path("alice.wav"))
    phone.say(f"dial sip:baresip@127.0.0.1:{peer.port}")
    phone.event("state", call=1, state="answered")
    phone.event("media", call=1, media="started", start=0)
    keys_for(phone, 1)
    phone.say("hangup 1")
    phone.event("ended", call=1, cause="hangup", by="local")
    peer.wait_event("CALL_CLOSED")
    phone.quit()
    peer.stop()
    expect_tone(kit.path("alice.wav"), 1000, 1)
    expect_tone(peer.recording(), 440, 1)


def test_a_call_from_baresip_carries_a_tone_both_ways(kit):
    peer = Baresip(kit, "baresip", tone=700)
    phone = kit.phone("alice", "--on-call", "answer", "--audio", "tone:440", "--record", kit.path("alice.wav"))
    peer.command("dial", phone.uri())
    phone.event("incoming", call=1)
    phone.event("media", call=1, media="started")
    keys_for(phone, 1)
    peer.command("hangup")
    phone.event("ended", call=1, cause="hangup", by="remote")
    phone.quit()
    peer.stop()
    expect_tone(kit.path("alice.wav"), 700, 1)
    expect_tone(peer.recording(), 440, 1)


def test_a_call_to_baresip_with_pcma(kit):
    peer = Baresip(kit, "baresip", tone=1000, codecs="pcma")
    phone = kit.phone("alice", "--audio", "tone:440", "--record", kit.path("alice.wav"))
    phone.say(f"dial sip:baresip@127.0.0.1:{peer.port}")
    phone.event("media", call=1, media="negotiated", codec="PCMA")
    phone.event("media", call=1, media="started", start=0)
    keys_for(phone, 1)
    phone.quit()
    peer.stop()
    expect_tone(kit.path("alice.wav"), 1000, 1)
    expect_tone(peer.recording(), 440, 1)


def test_reports_are_exchanged_with_baresip_on_one_port(kit):
    peer = Baresip(kit, "baresip", mux="yes")
    phone = kit.phone("alice", "--audio", "tone:440")
    phone.say(f"dial sip:baresip@127.0.0.1:{peer.port}")
    phone.event("media", call=1, media="started")
    phone.say("keys 1 1wwwwwwwwwwwwwwwwwwwwwwwwwwww2")
    phone.event("dtmf_sent", call=1, timeout=40)
    phone.say("stats 1")
    stats = phone.event("stats", call=1)
    need(int(stats["rtcp_sent"]) > 0 and int(stats["rtcp_received"]) > 0, f"no reports: {stats}")
    phone.quit()


def test_keys_of_baresip_arrive(kit):
    peer = Baresip(kit, "baresip")
    phone = kit.phone("alice", "--on-call", "answer")
    peer.command("dial", phone.uri())
    phone.event("media", call=1, media="started")
    for key in "27#":
        peer.command("sndcode", key)
        phone.event("dtmf", call=1, digit=key)
        peer.command("sndcode", "\x04")
    peer.command("hangup")
    phone.event("ended", call=1, by="remote")
    phone.quit()


def test_calls_with_baresip_through_kamailio(kit):
    server = Kamailio(kit)
    peer = Baresip(kit, "baresip", tone=1000, account=(server.port, "bob", "builder"))
    phone = kit.phone(
        "alice", *server.account("alice", "wonderland"), "--on-call", "answer", "--audio", "tone:440", "--record", kit.path("alice-%d.wav")
    )
    phone.event("registered", account=1)
    phone.say("dial bob")
    phone.event("media", call=1, media="started")
    keys_for(phone, 1)
    phone.say("hangup 1")
    phone.event("ended", call=1, cause="hangup", by="local")
    expect_tone(kit.path("alice-1.wav"), 1000, 1)
    peer.command("dial", f"sip:alice@127.0.0.1:{server.port}")
    phone.event("incoming", call=2)
    phone.event("media", call=2, media="started")
    keys_for(phone, 2)
    peer.command("hangup")
    phone.event("ended", call=2, cause="hangup", by="remote")
    expect_tone(kit.path("alice-2.wav"), 1000, 1)
    phone.quit()


def test_baresip_that_is_busy_or_cancels_is_understood(kit):
    peer = Baresip(kit, "baresip", answer="manual")
    phone = kit.phone("alice")
    phone.say(f"dial sip:baresip@127.0.0.1:{peer.port}")
    phone.event("state", call=1, state="ringing")
    peer.wait_event("CALL_INCOMING")
    peer.command("hangup")
    ended = phone.event("ended", call=1, by="remote")
    need(int(ended["code"]) >= 400, f"refused with {ended['code']}")
    peer.command("dial", phone.uri())
    phone.event("incoming", call=2)
    peer.command("hangup")
    phone.event("ended", call=2, cause="cancelled", by="remote")
    phone.quit()


def call_over(kit, transport, *options):
    peer = Baresip(kit, "baresip", tone=1000)
    phone = kit.phone("alice", "--audio", "tone:440", "--record", kit.path("alice-%d.wav"), "--on-call", "answer", *options)
    port = peer.tls_port if transport == "tls" else peer.port
    phone.say(f"dial sip:baresip@127.0.0.1:{port};transport={transport}")
    phone.event("state", call=1, state="answered")
    phone.event("media", call=1, media="started", start=0)
    keys_for(phone, 1)
    phone.say("hangup 1")
    phone.event("ended", call=1, cause="hangup", by="local")
    peer.wait_event("CALL_CLOSED")
    peer.command("dial", f"{phone.uri()};transport={transport}")
    phone.event("state", call=2, state="answered")
    phone.event("media", call=2, media="started", start=0)
    keys_for(phone, 2)
    peer.command("hangup")
    phone.event("ended", call=2, cause="hangup", by="remote")
    phone.quit()
    for call in (1, 2):
        expect_tone(kit.path(f"alice-{call}.wav"), 1000, 1)


def test_calls_to_and_from_baresip_over_tcp(kit):
    call_over(kit, "tcp")


def test_calls_to_and_from_baresip_over_tls(kit):
    call_over(kit, "tls", "--tls-ca", TLS / "ca.pem", "--tls-cert", TLS / "server-bundle.pem")
