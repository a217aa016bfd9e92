"""What a call writes about itself, as tshark reads it: without being told what is RTP."""

import re
import subprocess

from kit import TLS, Failure, Ports, need

# Some free ports are known to tshark as another protocol's (37008: TZSP), and a phone may have got one. What a packet
# looks like counts for more.
BY_LOOK = ["-o", "udp.try_heuristic_first:TRUE", "-o", "tcp.try_heuristic_first:TRUE"]
WHOLE = ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]


def tshark(file, *words):
    out = subprocess.run(["tshark", "-r", str(file), *BY_LOOK, *words], capture_output=True, text=True, timeout=60)
    if out.returncode:
        raise Failure(f"tshark -r {file.name}: {out.stderr.strip()}")
    return out.stdout


def fields(file, display, *names, more=()):
    words = [word for name in names for word in ("-e", name)]
    out = tshark(file, "-Y", display, "-T", "fields", "-E", "separator=|", *words, *more)
    return [line.split("|") for line in out.splitlines()]


def a_call(kit, host="127.0.0.1", caller=(), callee=(), keys="1wwwwww2", late=False, bind=None):
    """A call of some seconds that both sides capture; their files and the statistics of the caller."""
    files = [kit.path("alice.pcapng"), kit.path("bob.pcapng")]
    captures = [[] if late else ["--capture", file] for file in files]
    bob = kit.phone("bob", "--on-call", "answer", "--audio", "tone:900", *captures[1], *callee, host=host)
    alice = kit.phone("alice", "--audio", "tone:440", *captures[0], *caller, host=host, bind=bind)
    more = ";transport=tls" if "--tls-ca" in caller else ";transport=tcp" if "tcp" in caller else ""
    alice.say(f"dial {bob.uri()}{more}")
    for phone in (alice, bob):
        phone.event("media", call=1, media="started")
    if late:
        for phone, file in zip((alice, bob), files):
            phone.say(f"capture 1 {file}")
    alice.say(f"keys 1 {keys}")
    alice.event("dtmf_sent", call=1, timeout=90)
    alice.say("stats 1")
    stats = alice.event("stats", call=1)
    alice.say("hangup 1")
    for phone in (alice, bob):
        end = phone.event("capture_finished", call=1, ok=1, lost=0)
        need(int(end["packets"]) > 100, f"{phone.name} captured {end['packets']} packets")
        phone.event("ended", call=1)
        phone.quit()
    return files, stats


def check(file, methods, protocol="udp", audio=100):
    """A dialog, two RTP streams without losses, and not one packet that tshark complains about."""
    sip = fields(file, "sip", "sip.Method", "sip.Status-Code", "sip.Call-ID")
    need(len({row[2] for row in sip}) == 1, f"Call-IDs: {sip}")
    have = {row[0] for row in sip if row[0]}
    need(methods <= have, f"{file.name}: methods {have}")
    need("200" in {row[1] for row in sip}, f"{file.name}: {sip}")
    streams = [line for line in tshark(file, "-q", "-z", "rtp,streams").splitlines() if "0x" in line]
    need(len(streams) == 2, f"{file.name}: RTP streams {streams}")
    for line in streams:
        lost = re.search(r"\s(-?\d+) \(([\d.]+)%\)", line)
        need(lost and lost[1] == "0", f"{file.name}: lost packets: {line}")
    rtp = fields(file, "rtp", "frame.number")
    need(len(rtp) > audio, f"{file.name}: {len(rtp)} packets are RTP")
    # Only the INVITE comes again if it was lost, and that is no complaint about a packet.
    bad = fields(file, "_ws.malformed || _ws.expert.severity >= 0x00600000", "frame.number", "_ws.expert.message", more=WHOLE)
    need(not bad, f"{file.name}: tshark complains: {bad[:3]}")
    for layer in ("ip", "udp"):
        wrong = fields(file, f"{layer}.checksum.status == 0", "frame.number", more=WHOLE)
        need(not wrong, f"{file.name}: bad {layer} checksums in frames {wrong[:3]}")
    right = fields(file, "udp.checksum.status == 1", "frame.number", more=WHOLE)
    total = tshark(file).strip().splitlines()
    need(len(right) == len(total), f"{file.name}: {len(right)} of {len(total)} packets have a checked sum")
    other = fields(file, "!sip && !rtp && !rtcp", "frame.number", "_ws.col.Protocol")
    need(not other, f"{file.name}: packets that tshark does not know: {other[:3]}")
    times = [float(row[0]) for row in fields(file, "frame", "frame.time_epoch")]
    need(times == sorted(times), f"{file.name}: packets out of order")


def test_a_captured_call_is_a_call_with_its_audio_to_tshark(kit):
    files, stats = a_call(kit)
    for file in files:
        check(file, {"INVITE", "BYE"})
        calls = tshark(file, "-q", "-z", "sip,stat")
        need("INVITE" in calls, f"sip,stat: {calls}")
        keys = fields(file, "rtpevent.end_of_event == 1", "rtpevent.event_id")
        need({int(row[0], 0) for row in keys} == {1, 2}, f"{file.name}: keys {keys}")
        rtcp = fields(file, "rtcp", "rtcp.pt")
        need(not rtcp or all(row[0].startswith("20") for row in rtcp), f"RTCP: {rtcp}")
    sent = fields(files[0], "rtp && frame.p2p_dir == 0 || rtp", "rtp.ssrc")
    need(len(sent) >= int(stats["tx_packets"]), f"{len(sent)} packets, {stats['tx_packets']} sent alone")


def test_a_capture_from_the_middle_knows_its_rtp_too(kit):
    files, _ = a_call(kit, late=True)
    for file in files:
        check(file, {"INVITE", "BYE"})
        notes = fields(file, "frame.comment", "frame.comment", "sip.CSeq.method")
        need(len(notes) == 2 and all("before the capture" in row[0] for row in notes), f"{file.name}: comments {notes}")


def test_a_call_from_a_port_of_another_protocol_is_read_all_the_same(kit):
    port = next(port for port in (37008, 44818, 54328, 34980) if Ports.free("127.0.0.1", port))
    files, _ = a_call(kit, keys="1ww2", bind=f"127.0.0.1:{port}")
    for file in files:
        check(file, {"INVITE", "BYE"}, audio=50)


def test_reports_and_audio_of_one_port_are_told_apart(kit):
    files, stats = a_call(kit, keys="1wwwwwwwwwwwwwwwwwwwwwwww2")
    need(int(stats["rtcp_sent"]) >= 1, f"no report was sent: {stats}")
    for file in files:
        check(file, {"INVITE", "BYE"})
        reports = fields(file, "rtcp", "rtcp.pt")
        need(len(reports) >= 2 and all("200" in row[0] or "201" in row[0] for row in reports), f"{file.name}: {reports}")


def test_a_call_over_ipv6_is_captured_as_such(kit):
    files, _ = a_call(kit, host="::1")
    for file in files:
        check(file, {"INVITE", "BYE"})
        need(fields(file, "ipv6 && sip", "ipv6.src") and not fields(file, "ip", "ip.src"), f"{file.name} is not IPv6")


def test_signalling_over_tcp_and_tls_is_readable(kit):
    ca, cert = TLS / "ca.pem", TLS / "server-bundle.pem"
    ways = {"TCP": (["--transport", "tcp"], []), "TLS": (["--tls-ca", ca, "--transport", "tls"], ["--tls-cert", cert])}
    for name, (caller, callee) in ways.items():
        files, _ = a_call(kit, caller=caller, callee=callee, keys="1ww2")
        for file in files:
            check(file, {"INVITE", "BYE"}, audio=50)
            notes = fields(file, "sip", "frame.comment")
            need(all(f"over {name}" in row[0] for row in notes), f"{file.name}: {notes}")
        for file in files:
            file.unlink()
        kit = kit_again(kit, name)


def kit_again(kit, name):
    """Another folder for phones of the same names."""
    for process in kit.processes:
        need(process.process.poll() is not None, f"{process.name} still runs")
    kit.out = kit.folder(name.lower())
    return kit


def test_a_call_under_srtp_is_captured_as_it_is_on_the_wire(kit):
    files, _ = a_call(kit, caller=["--srtp", "mandatory"], callee=["--srtp", "optional"])
    for file in files:
        rows = fields(file, "udp.length == 190", "udp.payload")
        need(len(rows) > 100, f"{file.name}: {len(rows)} packets of audio with a tag of ten bytes")
        octets = bytes.fromhex(rows[20][0].replace(":", ""))[12:]
        need(max(octets.count(octet) for octet in set(octets)) < 20, f"{file.name}: the payload looks plain")
        need(fields(file, "sdp.media_attr contains \"crypto\"", "frame.number"), f"{file.name}: no keys in its SIP")
