"""SIPp as caller and as callee: the message sequences that phones seldom make."""

from kit import need
from sipp import Sipp

LOOP = "127.0.0.1"


def call_us(kit, scenario, *phone_options, host=LOOP, **more):
    phone = kit.phone("phone", *phone_options, host=host)
    return phone, Sipp(kit, scenario, remote=(host, phone.port), host=host, **more)


def answered_call(kit, scenario, **more):
    """A scenario in which SIPp dials, is answered and hangs up."""
    phone, sipp = call_us(kit, scenario, "--on-call", "answer", **more)
    sipp.went_well()
    phone.event("ended", call=1, cause="hangup", by="remote")
    phone.say("calls")
    phone.event("calls", count=0)
    phone.quit()
    return phone, sipp


def test_sipp_calls_and_hangs_up(kit):
    answered_call(kit, "caller")


def test_sipp_calls_over_ipv6(kit):
    answered_call(kit, "caller", host="::1")


def test_sipp_calls_without_an_offer_and_gets_one(kit):
    answered_call(kit, "caller_without_offer")


def test_a_lost_ack_makes_the_200_come_again(kit):
    phone, sipp = answered_call(kit, "caller_acks_late")
    need(sipp.received("SIP/2.0 200") >= 3, "the 200 was not repeated while its ACK was missing")
    need(len(phone.events("incoming")) == 1, "one call was taken for several")


def test_an_ack_that_never_comes_ends_the_call(kit):
    phone, sipp = call_us(kit, "caller_never_acks", "--on-call", "answer", limit=50)
    phone.event("state", call=1, state="answered")
    phone.event("ended", call=1, cause="no_ack", by="engine", timeout=50)
    sipp.went_well()
    phone.quit()


test_an_ack_that_never_comes_ends_the_call.weight = 40


def test_an_invite_that_comes_again_is_one_call(kit):
    phone, sipp = call_us(kit, "caller_repeats_invite")
    phone.event("incoming", call=1)
    sipp.sent_often("\nINVITE sip:", 3)
    phone.say("answer 1")
    sipp.went_well()
    phone.event("ended", call=1, cause="hangup", by="remote")
    need(len(phone.events("incoming")) == 1, "a repeated INVITE became a second call")
    phone.quit()


def test_a_cancel_ends_the_ringing(kit):
    phone, sipp = call_us(kit, "caller_cancels")
    sipp.went_well()
    phone.event("ended", call=1, cause="cancelled", by="remote")
    phone.quit()


def test_a_cancel_that_comes_after_the_200_changes_nothing(kit):
    answered_call(kit, "caller_cancels_too_late")


def test_our_hangup_ends_a_call_from_sipp(kit):
    phone, sipp = call_us(kit, "caller_waits", "--on-call", "answer")
    phone.event("state", call=1, state="answered")
    phone.event("media", call=1, media="negotiated", start=0)
    phone.say("hangup 1")
    phone.event("ended", call=1, cause="hangup", by="local")
    sipp.went_well()
    phone.quit()


def test_a_phone_that_is_busy_says_486(kit):
    phone, sipp = call_us(kit, "caller_is_refused", "--on-call", "busy")
    sipp.went_well()
    phone.quit()


def test_keys_of_sipp_arrive_whatever_their_payload_type(kit):
    phone, sipp = call_us(kit, "caller_with_keys", "--on-call", "answer")
    phone.digits(1, "159#")
    sipp.went_well()
    need(len(phone.events("dtmf")) == 4, f"keys: {[e['digit'] for e in phone.events('dtmf')]}")
    phone.quit()


def test_options_and_unknown_methods_are_answered_with_allow(kit):
    for scenario in ("options", "unknown_method", "stray_bye"):
        phone, sipp = call_us(kit, scenario)
        sipp.went_well()
        phone.quit()


def test_twenty_calls_of_sipp_one_after_the_other(kit):
    phone, sipp = call_us(kit, "caller", "--on-call", "answer", calls=20, options=["-r", "10", "-l", "20"])
    sipp.went_well()
    for call in range(1, 21):
        phone.event("ended", call=call, cause="hangup", by="remote", start=0)
    phone.quit()


def dial(kit, scenario, *options, host=LOOP):
    sipp = Sipp(kit, scenario, host=host)
    phone = kit.phone("phone", *options, host=host)
    phone.say(f"dial {sipp.uri()}")
    return phone, sipp


def test_we_call_sipp_and_hang_up(kit, host=LOOP):
    phone, sipp = dial(kit, "callee", host=host)
    phone.event("state", call=1, state="ringing", code=180)
    phone.event("state", call=1, state="answered", code=200)
    phone.say("hangup 1")
    phone.event("ended", call=1, cause="hangup", by="local")
    sipp.went_well()
    phone.quit()


def test_we_call_sipp_over_ipv6(kit):
    test_we_call_sipp_and_hang_up(kit, host="::1")


def test_sipp_hangs_up_a_call_of_ours(kit):
    phone, sipp = dial(kit, "callee_hangs_up")
    phone.event("state", call=1, state="answered")
    phone.event("ended", call=1, cause="hangup", by="remote")
    sipp.went_well()
    phone.quit()


def test_a_busy_callee_and_an_unknown_one_are_told_apart(kit):
    phone, sipp = dial(kit, "callee_is_busy")
    phone.event("ended", call=1, cause="busy", by="remote", code=486)
    sipp.went_well()
    other = Sipp(kit, "callee_is_unknown")
    phone.say(f"dial {other.uri()}")
    phone.event("ended", call=2, cause="not_found", by="remote", code=404)
    other.went_well()
    phone.quit()


def test_early_media_are_negotiated_before_the_answer(kit):
    phone, sipp = dial(kit, "callee_has_early_media")
    phone.event("state", call=1, state="progress", code=183)
    phone.event("media", call=1, media="negotiated", start=0)
    phone.event("state", call=1, state="answered", start=0)
    phone.say("hangup 1")
    sipp.went_well()
    phone.event("ended", call=1)
    phone.quit()


def test_we_cancel_a_ringing_call(kit):
    phone, sipp = dial(kit, "callee_is_cancelled")
    phone.event("state", call=1, state="ringing")
    phone.say("hangup 1")
    phone.event("ended", call=1, cause="cancelled", by="local", code=487)
    sipp.went_well()
    phone.quit()


def test_sipp_calls_over_tcp_and_is_called_over_tcp(kit):
    answered_call(kit, "caller", options=["-t", "t1"])
    phone, sipp = call_us(kit, "caller_waits", "--on-call", "answer", options=["-t", "t1"])
    phone.event("state", call=1, state="answered")
    phone.say("hangup 1")
    phone.event("ended", call=1, cause="hangup", by="local")
    sipp.went_well()
    phone.quit()
    sipp = Sipp(kit, "callee", options=["-t", "t1"])
    phone = kit.phone("phone", "--transport", "tcp")
    phone.say(f"dial {sipp.uri()}")
    phone.event("state", call=1, state="answered", code=200)
    phone.say("hangup 1")
    phone.event("ended", call=1, cause="hangup", by="local")
    sipp.went_well()
    phone.quit()
