"""The C examples by themselves and against each other, on loopback, without any server."""

import re
import signal

from audio import expect_tone, loud_blocks, read_wav, share, write_tone
from kit import HERE, ROOT, Ports, need

LOOP = "127.0.0.1"


def small(kit, name, *arguments):
    """A numbered example that listens; its port."""
    program = kit.start(name, kit.example(name), *arguments, LOOP, 0)
    return program, int(program.wait_line(r"listening on .*:(\d+)")[1])


def stop(program):
    program.signal(signal.SIGINT)
    code = program.exit_code(8)
    need(code == 0, f"{program.name} left with {code} after Ctrl-C")


def test_01_answer_answers_and_hangs_up(kit):
    program, port = small(kit, "01_answer")
    phone = kit.phone("alice")
    for call in (1, 2):
        phone.say(f"dial sip:anyone@{LOOP}:{port}")
        phone.event("state", call=call, state="answered")
        phone.event("ended", call=call, cause="hangup", by="remote")
    phone.quit()
    stop(program)


def test_02_announcement_is_heard_to_its_end(kit):
    wav = write_tone(kit.path("tone.wav"), 600, 1.5)
    program, port = small(kit, "02_announcement", wav)
    phone = kit.phone("alice", "--record", kit.path("heard.wav"))
    phone.say(f"dial sip:news@{LOOP}:{port}")
    phone.event("ended", cause="hangup", by="remote")
    expect_tone(kit.path("heard.wav"), 600, 1.4)
    phone.quit()
    stop(program)


def ivr_folder(kit):
    folder = kit.folder("prompts")
    for name, hz, seconds in (("menu", 400, 6), ("1", 700, 1), ("2", 900, 1), ("bye", 1200, 0.6)):
        write_tone(folder / f"{name}.wav", hz, seconds)
    return folder


def test_03_ivr_lets_a_key_break_in_and_says_good_bye(kit):
    program, port = small(kit, "03_ivr", ivr_folder(kit))
    phone = kit.phone("alice", "--record", kit.path("heard.wav"))
    phone.say(f"dial sip:menu@{LOOP}:{port}")
    phone.event("media", media="started")
    phone.say("keys 1 1")
    program.wait_line(r"key 1, \d+ ms")
    phone.event("dtmf_sent")
    phone.say("keys 1 2")
    program.wait_line(r"key 2, \d+ ms")
    phone.event("dtmf_sent")
    phone.say("keys 1 #")
    program.wait_line(r"key #, \d+ ms")
    phone.event("ended", cause="hangup", by="remote")
    rate, heard = read_wav(kit.path("heard.wav"))
    need(len(heard) / rate < 6, "the menu was played to its end: the keys did not break in")
    phone.quit()
    stop(program)


def test_03_ivr_serves_several_callers_at_once(kit):
    program, port = small(kit, "03_ivr", ivr_folder(kit))
    phone = kit.phone("alice")
    for call in (1, 2, 3):
        phone.say(f"dial sip:menu@{LOOP}:{port}")
    for call in (1, 2, 3):
        phone.event("state", call=call, state="answered", start=0)
    for call in (3, 1, 2):
        phone.say(f"keys {call} 0")
    for call in (1, 2, 3):
        phone.event("ended", call=call, cause="hangup", by="remote", start=0)
    phone.quit()
    stop(program)


def test_04_dial_and_record_records_what_it_hears(kit):
    phone = kit.phone("bob", "--on-call", "answer", "--audio", "tone:500")
    program = kit.start("04_dial_and_record", kit.example("04_dial_and_record"), phone.uri(), kit.path("heard.wav"), LOOP)
    phone.event("media", call=1, media="started")
    phone.say("keys 1 1www2")
    phone.event("dtmf_sent", call=1)
    phone.say("hangup 1")
    need(program.exit_code() == 0, "04_dial_and_record failed")
    expect_tone(kit.path("heard.wav"), 500, 0.5)
    phone.quit()


def test_05_own_loop_delivers_the_events(kit):
    program, port = small(kit, "05_own_loop")
    phone = kit.phone("alice")
    phone.say(f"dial sip:loop@{LOOP}:{port}")
    phone.event("state", call=1, state="answered")
    program.wait_line("call from .*alice|call from sip:")
    phone.say("hangup 1")
    phone.event("ended", call=1, cause="hangup", by="local")
    program.wait_line("(?i)ended")
    phone.quit()
    stop(program)


def test_echo_says_back_what_several_callers_say(kit):
    program, port = small(kit, "echo")
    for name, hz in (("alice", 500), ("bert", 800)):
        phone = kit.phone(name, "--audio", f"tone:{hz}", "--record", kit.path(f"{name}.wav"))
        phone.say(f"dial sip:echo@{LOOP}:{port}")
        phone.event("media", media="started")
        phone.say("keys 1 1www2")
        phone.event("dtmf_sent", call=1)
        phone.say("hangup 1")
        phone.event("ended")
        phone.quit()
        expect_tone(kit.path(f"{name}.wav"), hz, 0.5)
    stop(program)


def test_say_speaks_a_file_or_its_input_and_hangs_up(kit):
    wav = write_tone(kit.path("words.wav"), 700, 1.2)
    for turn, command in (("file", ["{say}", "{uri}", wav]), ("input", ["sh", "-c", "cat '{wav}' | '{say}' '{uri}' -"])):
        bob = kit.phone(f"bob-{turn}", "--on-call", "answer", "--record", kit.path(f"{turn}.wav"))
        names = {"say": kit.example("say"), "uri": bob.uri(), "wav": wav}
        program = kit.start(f"say-{turn}", *[str(word).format(**names) for word in command], *([] if turn == "input" else [LOOP]))
        bob.event("ended", cause="hangup", by="remote")
        need(program.exit_code() == 0 and "said" in program.text(), "say failed")
        expect_tone(kit.path(f"{turn}.wav"), 700, 1.1)
        bob.quit()


def test_say_tells_that_nobody_answers(kit):
    bob = kit.phone("bob", "--on-call", "busy")
    wav = write_tone(kit.path("words.wav"), 700, 1)
    program = kit.start("say", kit.example("say"), bob.uri(), wav, LOOP)
    need(program.exit_code() == 1 and "nobody answered" in program.text(), "say did not tell that the line was busy")
    bob.quit()


def test_agent_is_interrupted_and_says_back_what_it_heard(kit):
    greeting = write_tone(kit.path("greeting.wav"), 400, 30)
    words = write_tone(kit.path("words.wav"), 900, 1)
    program, port = small(kit, "agent", greeting)
    phone = kit.phone("alice", "--record", kit.path("heard.wav"))
    phone.say(f"dial sip:agent@{LOOP}:{port}")
    phone.event("media", media="started")
    phone.say(f"play 1 {words}")
    program.wait_line(r"interrupted after \d+ ms")
    program.wait_line("greeting 0 was cut off")
    spoken = int(program.wait_line(r"^heard (\d+) ms")[1])
    need(800 <= spoken <= 1200, f"a second of sound was heard as {spoken} ms")
    program.wait_line("reply 1 was heard")
    phone.say("hangup 1")
    phone.event("ended")
    rate, heard = read_wav(kit.path("heard.wav"))
    reply = [value for block in loud_blocks(rate, heard)[-40:] for value in block]
    need(share(rate, reply, 900) > 0.85, "what was said does not come back")
    need(len(heard) / rate < 20, "the greeting was played to its end")
    phone.quit()
    stop(program)


def test_every_example_stops_cleanly_on_ctrl_c_during_a_call(kit):
    wav = write_tone(kit.path("long.wav"), 300, 60)
    for name, arguments in (("02_announcement", [wav]), ("03_ivr", [ivr_folder(kit)]), ("05_own_loop", []), ("echo", []), ("agent", [wav])):
        program, port = small(kit, name, *arguments)
        phone = kit.phone(f"caller-{name}")
        phone.say(f"dial sip:x@{LOOP}:{port}")
        phone.event("state", call=1, state="answered")
        stop(program)
        phone.event("ended", call=1, by="remote")
        phone.quit()
    phone = kit.phone("bob", "--on-call", "answer")
    program = kit.start("04", kit.example("04_dial_and_record"), phone.uri(), kit.path("04.wav"), LOOP)
    phone.event("state", call=1, state="answered")
    program.signal(signal.SIGINT)
    program.exit_code(8)
    phone.event("ended", call=1, by="remote")
    phone.quit()


def test_sync4_takes_the_skew_out_of_four_streams(kit):
    delays = [5, 60, 120, 250]
    free = ("--rtp", "0,0,0,0", "--rtcp", "0,0,0,0")
    program = kit.start("sync4", kit.example("sync4"), "--address", LOOP, *free, "--seconds", 6, "--send", "5,60,120,250")
    for stream, delay in enumerate(delays):
        line = program.wait_line(rf"stream={stream} .*aligned=1 skew_before_ms=(\S+) skew_after_ms=(\S+) .*true_ms=(\S+)", 15)
        before, after, truth = (float(line[i]) for i in (1, 2, 3))
        need(abs(before - (delay - delays[0])) < 20, f"stream {stream} is {before} ms behind by arrival, not {delay - 5}")
        need(abs(after) <= 1 and abs(truth) <= 1, f"stream {stream} is still {after} ms off, in truth {truth}")
    need(program.exit_code() == 0, "sync4 failed")


def test_the_examples_use_the_public_header_only_and_do_not_sleep(kit):
    for source in sorted((ROOT / "c-examples").glob("*.[ch]")):
        text = source.read_text()
        need(not re.search(r"\b(u|nano)?sleep\s*\(", text), f"{source.name} sleeps")
        for header in re.findall(r'#include "(.*)"', text):
            need(header in ("example.h", "udp.h"), f"{source.name} includes {header}")
    lines = (ROOT / "c-examples" / "01_answer.c").read_text().split("int main", 1)[1].count("\n")
    need(lines <= 20, f"01_answer has {lines} lines")


def test_phone_answers_an_unknown_command_with_an_error_line(kit):
    phone = kit.phone("alice")
    for command in ("dance", "answer 7", "hangup", "dial", "keys x 1", "dial not a uri at all"):
        phone.say(command)
        phone.wait_line(r"^error command=\S+ .*message=")
    phone.say("calls")
    phone.event("calls", count=0)
    phone.quit()


def test_phone_ends_at_the_end_of_its_input(kit):
    phone = kit.phone("alice")
    phone.end_input()
    need(phone.exit_code() == 0, "the phone failed at the end of its input")


def test_phone_finishes_its_call_after_the_end_of_its_input(kit):
    bob = kit.phone("bob", "--on-call", "answer")
    phone = kit.phone("alice")
    phone.say(f"dial {bob.uri()}")
    phone.end_input()
    bob.event("media", media="started")
    bob.say("hangup 1")
    phone.event("ended", cause="hangup", by="remote")
    need(phone.exit_code() == 0, "the phone failed")
    bob.quit()


def test_phone_stops_cleanly_on_ctrl_c_during_a_call(kit):
    bob = kit.phone("bob", "--on-call", "answer")
    phone = kit.phone("alice")
    phone.say(f"dial {bob.uri()}")
    phone.event("state", state="answered")
    phone.signal(signal.SIGINT)
    phone.event("ended", by="local", timeout=5)
    need(phone.exit_code() == 0, "the phone failed on Ctrl-C")
    bob.event("ended", by="remote")
    bob.quit()


def test_phone_with_once_leaves_after_its_call(kit):
    bob = kit.phone("bob", "--on-call", "answer", "--once")
    phone = kit.phone("alice", "--once")
    phone.say(f"dial {bob.uri()}")
    phone.event("state", state="answered")
    phone.say("hangup 1")
    need(phone.exit_code() == 0 and bob.exit_code() == 0, "a phone with --once failed")


def test_phone_refuses_options_that_it_does_not_know(kit):
    for words in (["--dance"], ["--bind"], ["--on-call", "perhaps"], ["--bind", "nowhere:x"], ["--audio", "noise"]):
        program = kit.start("bad-" + words[0].strip("-") + str(len(kit.processes)), kit.example("phone"), *words)
        need(program.exit_code() == 2, f"phone {' '.join(words)} was accepted")
        need("usage:" in program.text(), "no usage was shown")


def test_phone_says_busy_rejects_with_a_code_and_ignores(kit):
    alice = kit.phone("alice")
    busy = kit.phone("busy", "--on-call", "busy")
    alice.say(f"dial {busy.uri()}")
    alice.event("ended", call=1, cause="busy", by="remote", code=486)
    choosy = kit.phone("choosy")
    alice.say(f"dial {choosy.uri()}")
    choosy.event("incoming", call=1)
    alice.event("state", call=2, state="ringing", code=180)
    choosy.say("reject 1 603")
    alice.event("ended", call=2, cause="rejected", by="remote", code=603)
    deaf = kit.phone("deaf", "--on-call", "ignore")
    alice.say(f"dial {deaf.uri()}")
    deaf.event("incoming", call=1)
    alice.say("hangup 3")
    alice.event("ended", call=3, cause="cancelled", by="local")
    deaf.event("ended", call=1, cause="cancelled", by="remote")
    for phone in (alice, busy, choosy, deaf):
        phone.quit()


def test_phone_carries_keys_both_ways(kit):
    bob = kit.phone("bob", "--on-call", "answer")
    alice = kit.phone("alice")
    alice.say(f"dial {bob.uri()}")
    alice.event("media", media="started")
    bob.event("media", media="started")
    alice.say("keys 1 0123456789*#ABCD")
    bob.digits(1, "0123456789*#ABCD")
    bob.say("keys 1 55")
    alice.digits(1, "55")
    need(all(int(e["duration"]) >= 80 for e in bob.events("dtmf")), "a key was shorter than it was pressed")
    alice.quit()
    bob.event("ended", call=1, by="remote")
    bob.quit()


def test_phone_echoes_a_tone_and_records_every_call_by_its_number(kit):
    bob = kit.phone("bob", "--on-call", "answer", "--audio", "echo")
    alice = kit.phone("alice", "--audio", "tone:700", "--record", kit.path("call-{n}.wav"))
    for call in (1, 2):
        alice.say(f"dial {bob.uri()}")
        alice.event("media", call=call, media="started")
        alice.say(f"keys {call} 1ww2")
        alice.event("dtmf_sent", call=call)
        alice.say(f"stats {call}")
        stats = alice.event("stats", call=call)
        need(int(stats["rx_packets"]) > 40 and int(stats["rx_lost"]) == 0, f"statistics: {stats}")
        alice.say(f"hangup {call}")
        alice.event("ended", call=call)
        expect_tone(kit.path(f"call-{call}.wav"), 700, 0.5)
    alice.quit()
    bob.quit()


def test_phone_plays_and_records_on_command(kit):
    wav = write_tone(kit.path("tone.wav"), 800, 1)
    bob = kit.phone("bob", "--on-call", "answer")
    alice = kit.phone("alice")
    alice.say(f"dial {bob.uri()}")
    bob.event("media", media="started")
    bob.say(f"record 1 {kit.path('heard.wav')}")
    alice.say(f"play 1 {wav}")
    alice.event("play_finished", call=1, completed=1)
    alice.say("play 1 /nowhere/at/all.wav")
    alice.wait_line(r"^error command=play .*nowhere")
    alice.say("hangup 1")
    bob.event("record_finished", call=1, ok=1)
    expect_tone(kit.path("heard.wav"), 800, 0.8)
    alice.quit()
    bob.quit()


def test_phone_holds_and_resumes(kit):
    bob = kit.phone("bob", "--on-call", "answer")
    alice = kit.phone("alice")
    alice.say(f"dial {bob.uri()}")
    alice.event("media", media="started")
    alice.say("hold 1")
    bob.event("media", call=1, held_by_peer=1)
    alice.event("media", call=1, held_by_us=1)
    alice.say("resume 1")
    bob.event("media", call=1, held_by_peer=0)
    alice.say("hangup 1")
    bob.event("ended", call=1)
    alice.quit()
    bob.quit()


def test_phone_says_when_its_port_is_taken(kit):
    first = kit.phone("first")
    second = kit.start("second", kit.example("phone"), "--bind", first.address)
    second.wait_line(r"^error command=start status=VOIP_ERR_ADDRESS_IN_USE")
    need(second.exit_code() == 1, "a phone started on a port that is taken")
    first.quit()


def test_calls_work_over_ipv6(kit):
    bob = kit.phone("bob", "--on-call", "answer", "--audio", "echo", host="::1")
    alice = kit.phone("alice", "--audio", "tone:450", "--record", kit.path("heard.wav"), host="::1")
    alice.say(f"dial {bob.uri()}")
    alice.event("media", media="started")
    alice.say("keys 1 1ww9")
    bob.digits(1, "19")
    alice.say("hangup 1")
    alice.event("ended", cause="hangup", by="local")
    expect_tone(kit.path("heard.wav"), 450, 0.5)
    alice.quit()
    bob.quit()


def test_dialling_a_port_where_nobody_is_ends_as_unreachable(kit):
    alice = kit.phone("alice")
    alice.say(f"dial sip:nobody@{LOOP}:{Ports.take()}")
    alice.event("ended", call=1, cause="unreachable", timeout=45)
    alice.quit()
