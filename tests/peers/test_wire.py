"""What goes over the wire, as tshark sees it."""

from kit import Capture, Ports, need


def watched_call(kit, keys=""):
    """A call of about three seconds under tshark; what was captured, the SIP ports and the answered media."""
    sip_a, sip_b = Ports.take(), Ports.take()
    alice_port, bob_port = sip_a, sip_b
    capture = Capture(kit, "wire", f"port {alice_port} or port {bob_port} or portrange 10000-20000")
    bob = kit.phone("bob", "--on-call", "answer", "--audio", "tone:900", bind=f"127.0.0.1:{bob_port}")
    alice = kit.phone("alice", "--audio", "tone:440", bind=f"127.0.0.1:{alice_port}")
    alice.say(f"dial {bob.uri()}")
    to_bob = alice.event("media", call=1, media="started")["remote"]
    to_alice = bob.event("media", call=1, media="started")["remote"]
    alice.say(f"keys 1 {keys or '1wwww2'}")
    alice.event("dtmf_sent", call=1, timeout=30)
    bob.digits(1, keys or "12")
    alice.say("stats 1")
    stats = alice.event("stats", call=1)
    alice.say("hangup 1")
    bob.event("ended", call=1)
    alice.quit()
    bob.quit()
    capture.finish()
    ports = {"alice": int(to_alice.rsplit(":", 1)[1]), "bob": int(to_bob.rsplit(":", 1)[1])}
    return capture, (alice_port, bob_port), ports, stats


def as_sip_and_rtp(sip_ports, rtp_ports):
    return [f"udp.port=={p},sip" for p in sip_ports] + [f"udp.port=={p},rtp" for p in rtp_ports.values()]


def test_nothing_that_we_send_is_malformed(kit):
    capture, sip, rtp, _ = watched_call(kit)
    rules = as_sip_and_rtp(sip, rtp)
    # Other tests talk on this interface, too, some of them under SRTP.
    ours = f"udp.port in {{{', '.join(map(str, (*sip, *rtp.values())))}}}"
    complaint = f"{ours} && (_ws.malformed || _ws.expert.severity >= 0x00600000)"
    bad = capture.fields(complaint, "frame.number", "_ws.expert.message", decode=rules)
    bad = [row for row in bad if "INVITE" not in row[1] or "Malformed" in row[1]]
    need(not bad, f"tshark complains: {bad[:3]}")
    methods = {row[0] for row in capture.fields(f"{ours} && sip.Method", "sip.Method", decode=rules)}
    need({"INVITE", "ACK", "BYE"} <= methods, f"methods seen: {methods}")
    sums = capture.fields(f"{ours} && udp.checksum.status == 0", "frame.number", decode=rules)
    need(not sums, f"bad checksums in frames {sums[:3]}")


def test_reports_share_the_port_of_rtp_and_are_well_formed(kit):
    capture = Capture(kit, "wire", "portrange 10000-20000")
    bob = kit.phone("bob", "--on-call", "answer", "--audio", "tone:900")
    alice = kit.phone("alice", "--audio", "tone:440")
    alice.say(f"dial {bob.uri()}")
    ports = [phone.event("media", call=1, media="started")["remote"].rsplit(":", 1)[1] for phone in (alice, bob)]
    # Half a second a `w`: two or three reports of each.
    alice.say("keys 1 1wwwwwwwwwwwwwwwwwwwwwwwwwwww2")
    alice.event("dtmf_sent", call=1, timeout=40)
    alice.say("stats 1")
    stats = alice.event("stats", call=1)
    alice.quit()
    bob.quit()
    capture.finish()
    rules = [f"udp.port=={port},rtp" for port in ports]
    # Other tests talk on this interface, too.
    ours = f"rtcp && udp.srcport in {{{ports[0]}, {ports[1]}}}"
    reports = capture.fields(ours, "rtcp.pt", "udp.srcport", "rtcp.sdes.type", decode=rules)
    need(len(reports) >= 4 and {row[1] for row in reports} == set(ports), f"reports seen: {reports}")
    need(all(row[0].startswith("200") and "202" in row[0] for row in reports), f"not SR and SDES: {reports[:3]}")
    bad = capture.fields(f"{ours} && (_ws.malformed || _ws.expert.severity >= 0x00600000)", "frame.number", decode=rules)
    need(not bad, f"tshark complains about frames {bad[:3]}")
    need(int(stats["rtcp_sent"]) >= 2 and int(stats["rtcp_received"]) >= 2, f"counted: {stats}")
    need(0 < int(stats["rtt_us"]) < 200000, f"round trip of {stats['rtt_us']} us on loopback")


def test_rtp_streams_have_no_gaps_and_keep_their_beat(kit):
    capture, sip, rtp, stats = watched_call(kit)
    rules = as_sip_and_rtp(sip, rtp)
    for name, port in rtp.items():
        rows = capture.fields(
            f"rtp && udp.srcport == {port} && rtp.p_type == 0",
            "rtp.seq", "rtp.timestamp", "frame.time_epoch", "rtp.ssrc", "rtp.marker", decode=rules,
        )
        need(len(rows) > 60, f"{name} sent only {len(rows)} packets of audio")
        need(len({row[3] for row in rows}) == 1, f"{name} changed its SSRC")
        every = capture.fields(f"rtp && udp.srcport == {port}", "rtp.seq", decode=rules)
        numbers = [int(row[0]) for row in every]
        gaps = [b for a, b in zip(numbers, numbers[1:]) if (b - a) % 65536 != 1]
        need(not gaps, f"{name}: sequence numbers jump before {gaps[:5]}")
        steps = [(int(b[1]) - int(a[1])) % 2**32 for a, b in zip(rows, rows[1:]) if int(b[0]) == (int(a[0]) + 1) % 65536]
        need(all(step == 160 for step in steps), f"{name}: timestamps step by {sorted(set(steps))}")
        times = [float(row[2]) for row in rows]
        middle = sorted(b - a for a, b in zip(times, times[1:]))[len(times) // 2]
        need(0.018 < middle < 0.022, f"{name}: a packet every {middle * 1000:.1f} ms")
    need(int(stats["rx_lost"]) == 0, f"statistics: {stats}")


def test_tshark_decodes_the_keys_as_they_were_pressed(kit):
    keys = "1470*#29"
    capture, sip, rtp, _ = watched_call(kit, keys)
    rows = capture.fields(
        f"rtpevent && udp.srcport == {rtp['alice']}",
        "rtp.timestamp", "rtpevent.event_id", "rtpevent.end_of_event", "rtpevent.duration", "rtp.marker",
        decode=as_sip_and_rtp(sip, rtp),
    )
    names = "0123456789*#ABCD"
    pressed, seen = [], []
    for timestamp, event, *_ in rows:
        if timestamp not in seen:
            seen.append(timestamp)
            pressed.append(names[int(event, 0)])
    need("".join(pressed) == keys, f"pressed {keys}, tshark reads {''.join(pressed)}")
    for timestamp in seen:
        group = [row for row in rows if row[0] == timestamp]
        ends = [row for row in group if row[2] in ("1", "True")]
        need(len(ends) == 3, f"a key's end was sent {len(ends)} times, not three")
        need(group[0][4] in ("1", "True"), "the first packet of a key has no marker")
        need(int(ends[0][3]) >= 640, f"a key lasted {ends[0][3]} ticks")
