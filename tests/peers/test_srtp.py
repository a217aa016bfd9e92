"""Calls under SRTP with keys in the description: baresip at the other end, tshark on the wire."""

from audio import expect_tone
from kit import Baresip, Capture, need
from test_baresip import keys_for


def tones_under(kit, encryption, mode, suite, dial):
    """A call with a tone each way, from here or from there; both sides must have been protected by the suite."""
    peer = Baresip(kit, "baresip", tone=1000, encryption=encryption)
    options = ["--srtp", mode, "--srtp-suites", suite, "--audio", "tone:440", "--record", kit.path("alice.wav")]
    phone = kit.phone("alice", "--on-call", "answer", *options)
    if dial:
        phone.say(f"dial sip:baresip@127.0.0.1:{peer.port}")
    else:
        peer.command("dial", phone.uri())
    phone.event("media", call=1, media="negotiated", srtp=suite)
    phone.event("media", call=1, media="started", start=0)
    keys_for(phone, 1)
    phone.say("stats 1")
    stats = phone.event("stats", call=1)
    need(stats["rx_srtp_auth"] == "0" and stats["rx_srtp_replay"] == "0", f"SRTP failed: {stats}")
    need(int(stats["rx_packets"]) > 50, f"only {stats['rx_packets']} packets came")
    phone.say("hangup 1")
    phone.event("ended", call=1, cause="hangup", by="local")
    phone.quit()
    peer.stop()
    expect_tone(kit.path("alice.wav"), 1000, 1)
    expect_tone(peer.recording(), 440, 1)


def test_a_call_to_baresip_under_srtp_carries_tones_both_ways(kit):
    tones_under(kit, "srtp-mand", "mandatory", "AES_CM_128_HMAC_SHA1_80", True)


def test_a_call_from_baresip_under_srtp_carries_tones_both_ways(kit):
    tones_under(kit, "srtp-mand", "mandatory", "AES_CM_128_HMAC_SHA1_80", False)


def test_a_call_to_baresip_under_aes_gcm_carries_tones_both_ways(kit):
    tones_under(kit, "srtp-mand", "mandatory", "AEAD_AES_128_GCM", True)


def test_srtp_beside_rtp_avp_is_taken_by_baresip(kit):
    tones_under(kit, "srtp", "optional", "AES_CM_128_HMAC_SHA1_32", True)


def test_srtp_beside_rtp_avp_of_baresip_is_taken(kit):
    tones_under(kit, "srtp", "optional", "AES_CM_128_HMAC_SHA1_80", False)


def test_a_held_call_under_srtp_is_heard_again(kit):
    peer = Baresip(kit, "baresip", tone=1000, encryption="srtp-mand")
    phone = kit.phone("alice", "--srtp", "mandatory", "--audio", "tone:440", "--record", kit.path("alice.wav"))
    phone.say(f"dial sip:baresip@127.0.0.1:{peer.port}")
    phone.event("media", call=1, media="started")
    phone.say("hold 1")
    phone.event("media", call=1, media="negotiated", held_by_us=1)
    phone.say("resume 1")
    phone.event("media", call=1, media="negotiated", held_by_us=0, srtp="AES_CM_128_HMAC_SHA1_80")
    keys_for(phone, 1)
    phone.say("stats 1")
    need(phone.event("stats", call=1)["rx_srtp_auth"] == "0", "packets were refused")
    phone.quit()
    peer.stop()
    expect_tone(kit.path("alice.wav"), 1000, 1)


def test_a_plain_baresip_is_refused_by_a_phone_that_insists(kit):
    peer = Baresip(kit, "baresip")
    phone = kit.phone("alice", "--srtp", "mandatory", "--on-call", "answer")
    peer.command("dial", phone.uri())
    closed = peer.wait_event("CALL_CLOSED")
    need("488" in closed.get("param", ""), f"closed with {closed}")
    phone.quit()
    peer.stop()


def test_what_two_phones_send_under_srtp_is_not_plain_on_the_wire(kit):
    capture = Capture(kit, "wire", "portrange 10000-20000")
    bob = kit.phone("bob", "--on-call", "answer", "--srtp", "optional")
    alice = kit.phone("alice", "--srtp", "mandatory")
    alice.say(f"dial {bob.uri()}")
    ports = [phone.event("media", call=1, media="started")["remote"].rsplit(":", 1)[1] for phone in (alice, bob)]
    keys_for(alice, 1)
    alice.quit()
    bob.quit()
    capture.finish()
    rules = [f"udp.port=={port},rtp" for port in ports]
    # Silence in PCMU is one byte over and over; under SRTP with a tag of ten bytes nothing repeats.
    rows = capture.fields(f"rtp && rtp.p_type == 0 && udp.srcport in {{{', '.join(ports)}}}", "udp.length", "rtp.payload", decode=rules)
    need(len(rows) > 100, f"only {len(rows)} packets of audio")
    for length, payload in rows:
        octets = bytes.fromhex(payload.replace(":", ""))
        need(int(length) == 8 + 12 + 160 + 10 and len(octets) == 170, f"{length} bytes, {len(octets)} of payload")
        need(max(octets.count(octet) for octet in set(octets)) < 20, f"the payload looks plain: {octets[:20].hex()}")
