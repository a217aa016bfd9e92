"""Through Kamailio as registrar and record-routing proxy."""

import sys

from audio import expect_tone
from kit import ROOT, Kamailio, need


def pair(kit, server, *options, transport="udp"):
    alice = kit.phone("alice", *server.account("alice", "wonderland", transport), "--audio", "tone:440", "--record", kit.path("alice-%d.wav"), *options)
    bob = kit.phone("bob", *server.account("bob", "builder", transport), "--audio", "tone:900", "--record", kit.path("bob-%d.wav"))
    for phone in (alice, bob):
        registered = phone.event("registered", account=1, code=200)
        need(int(registered["expires"]) > 0, "registered without an expiry")
    return alice, bob


def talk(kit, caller, callee, number, hz_of_caller, hz_of_callee):
    """One call with keys both ways; the callee hangs up. Routes are right, or the proxy would answer 404."""
    caller.say(f"dial {callee.name}")
    incoming = callee.event("incoming", call=number)
    need(f"sip:{caller.name}@" in incoming["from"], f"the call came from {incoming['from']}")
    caller.event("state", call=number, state="ringing")
    callee.say(f"answer {number}")
    caller.event("media", call=number, media="started", start=0)
    callee.event("media", call=number, media="started", start=0)
    caller.say(f"keys {number} 1ww2")
    callee.digits(number, "12")
    callee.say(f"keys {number} 34")
    caller.digits(number, "34")
    callee.say(f"hangup {number}")
    callee.event("ended", call=number, cause="hangup", by="local")
    caller.event("ended", call=number, cause="hangup", by="remote")
    expect_tone(kit.path(f"{caller.name}-{number}.wav"), hz_of_callee, 0.5)
    expect_tone(kit.path(f"{callee.name}-{number}.wav"), hz_of_caller, 0.5)


def both_ways(kit, algorithm, transport="udp"):
    server = Kamailio(kit, algorithm)
    alice, bob = pair(kit, server, transport=transport)
    need(f" by {transport} from" in server.text(), f"the REGISTER did not come by {transport}")
    talk(kit, alice, bob, 1, 440, 900)
    talk(kit, bob, alice, 2, 900, 440)
    need("peers: challenge for INVITE" in server.text(), "no INVITE was challenged")
    for phone in (alice, bob):
        phone.quit()
        phone_log = phone.text()
        need("event=unregistered" in phone_log, f"{phone.name} did not un-register")


def test_calls_both_ways_with_md5_digest_and_record_routing(kit):
    both_ways(kit, "MD5")


def test_calls_both_ways_with_sha_256_digest_and_record_routing(kit):
    both_ways(kit, "SHA-256")


def test_calls_both_ways_over_tcp(kit):
    both_ways(kit, "MD5", "tcp")


def test_calls_both_ways_over_tls(kit):
    both_ways(kit, "MD5", "tls")


def test_a_phone_over_tls_calls_one_over_udp_and_hangs_up(kit):
    server = Kamailio(kit)
    alice = kit.phone("alice", *server.account("alice", "wonderland", "tls"), "--audio", "tone:440", "--record", kit.path("alice-%d.wav"))
    bob = kit.phone("bob", *server.account("bob", "builder"), "--audio", "tone:900", "--record", kit.path("bob-%d.wav"))
    for phone in (alice, bob):
        phone.event("registered", account=1, code=200)
    talk(kit, alice, bob, 1, 440, 900)
    talk(kit, bob, alice, 2, 900, 440)
    for phone in (alice, bob):
        phone.quit()


def test_a_server_of_an_unknown_authority_gets_no_registration(kit):
    server = Kamailio(kit)
    account = server.account("alice", "wonderland", "tls")
    phone = kit.phone("alice", *account[:account.index("--tls-ca")])
    phone.event("registration_failed", account=1, code=503)
    need("REGISTER" not in server.text(), "a REGISTER arrived all the same")
    phone.quit()


def test_a_wrong_password_is_final_and_no_storm(kit):
    server = Kamailio(kit)
    phone = kit.phone("alice", *server.account("alice", "looking-glass"))
    failed = phone.event("registration_failed", account=1)
    need(failed["code"] in ("401", "403"), f"failed with {failed['code']}")
    phone.say("calls")
    phone.event("calls", count=0)
    tries = server.text().count("challenge for REGISTER")
    need(tries <= 3, f"{tries} attempts with a wrong password")
    need(not phone.events("registered"), "registered with a wrong password")
    phone.quit()


def test_a_callee_who_left_is_reported_as_not_there(kit):
    server = Kamailio(kit)
    alice, bob = pair(kit, server)
    bob.quit()
    alice.say("dial bob")
    alice.event("ended", call=1, cause="no_answer", by="remote", code=480)
    alice.say("dial whiterabbit")
    alice.event("ended", call=2, cause="not_found", by="remote", code=404)
    alice.quit()


def test_cancelling_through_the_proxy_reaches_the_callee(kit):
    server = Kamailio(kit)
    alice, bob = pair(kit, server)
    alice.say("dial bob")
    bob.event("incoming", call=1)
    alice.event("state", call=1, state="ringing")
    alice.say("hangup 1")
    alice.event("ended", call=1, cause="cancelled", by="local")
    bob.event("ended", call=1, cause="cancelled", by="remote")
    alice.quit()
    bob.quit()


def test_a_registration_that_is_too_short_is_asked_for_longer(kit):
    server = Kamailio(kit, min_expires=500)
    phone = kit.phone("alice", *server.account("alice", "wonderland"))
    registered = phone.event("registered", account=1)
    need(int(registered["expires"]) >= 490, f"granted {registered['expires']} s")
    phone.quit()


def test_hold_and_resume_go_through_the_recorded_route(kit):
    server = Kamailio(kit)
    alice, bob = pair(kit, server)
    alice.say("dial bob")
    bob.event("incoming", call=1)
    bob.say("answer 1")
    alice.event("media", call=1, media="started", start=0)
    bob.say("hold 1")
    alice.event("media", call=1, held_by_peer=1)
    bob.say("resume 1")
    alice.event("media", call=1, held_by_peer=0)
    alice.say("hangup 1")
    bob.event("ended", call=1, cause="hangup", by="remote")
    alice.quit()
    bob.quit()


def test_the_demo_goes_through_a_real_account(kit):
    server = Kamailio(kit)
    demo = kit.start(
        "demo", sys.executable, ROOT / "tools" / "demo", "--build", kit.build, "--out", kit.folder("out"),
        "--server", f"sip:127.0.0.1:{server.port}", "--user", "alice", "--password", "wonderland",
    )
    code = demo.exit_code(60)
    need(code == 0, f"the demo left with {code}: {demo.last()}")
    need("407 Proxy Authentication Required (INVITE)" in demo.text(), "the INVITE was not challenged")
