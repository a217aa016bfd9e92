"""The example rtp_tools: what it sends is RTP to tshark, what it sends to itself comes back."""

import array
import ctypes
import fcntl
import os
import re
import socket
import struct
import subprocess
import threading

from audio import loud_blocks, read_wav, share, write_tone
from kit import Capture, Ports, need

SECONDS = 2.0
CLONE_NEWNET = 0x40000000
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17
# What leads out of a network of its own: the device lo never computes sums, this one does.
WAY_OUT = """
link set lo up
link add out type veth peer name far
addr add 192.0.2.1/24 dev out
link set out up
link set far up
neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev out nud permanent
"""


def lay_way_out():
    subprocess.run(["ip", "-batch", "-"], input=WAY_OUT.lstrip(), text=True, check=True, timeout=20)
    value = array.array("I", [ETHTOOL_STXCSUM, 0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCETHTOOL, struct.pack("16sP8x", b"out", value.buffer_info()[0]))


def in_a_network_of_its_own(work):
    """Runs work("out", "192.0.2.2") on a thread with a network of its own; who is not root gets work("lo", "127.0.0.1")."""
    problems = []

    def body():
        try:
            own = os.geteuid() == 0 and ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0
            if own:
                lay_way_out()
            work("out", "192.0.2.2") if own else work("lo", "127.0.0.1")
        except Exception as problem:  # the caller raises it again
            problems.append(problem)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if problems:
        raise problems[0]


def sent(kit, name, path, target, *codec):
    process = kit.start(name, kit.example("rtp_tools"), "send", path, target, *codec)
    need(process.exit_code() == 0, f"send failed: {process.last()}")
    return dict(word.split("=") for word in process.last().split())


def test_tshark_reads_what_is_sent_as_rtp_without_a_gap(kit):
    in_a_network_of_its_own(lambda interface, address: send_under_tshark(kit, interface, address))


def send_under_tshark(kit, interface, address):
    port = Ports.take(count=2)
    capture = Capture(kit, "rtp_tools", f"port {port} or port {port + 1}", interface, address)
    said = sent(kit, "sender", write_tone(kit.path("tone.wav"), 440, SECONDS), f"{address}:{port}")
    capture.finish()
    rules = [f"udp.port=={port},rtp", f"udp.port=={port + 1},rtcp"]
    checked = ["-o", "udp.check_checksum:TRUE"]
    rows = capture.fields(
        f"rtp && udp.dstport == {port}",
        "rtp.seq", "rtp.timestamp", "rtp.ssrc", "rtp.p_type", "rtp.marker", "frame.time_epoch",
        decode=rules, more=checked,
    )
    need(len(rows) == int(said["sent"]) >= SECONDS * 50, f"{len(rows)} packets captured, {said['sent']} sent")
    need({row[2] for row in rows} == {said["ssrc"]} and {row[3] for row in rows} == {"0"}, f"{rows[0]}, {said}")
    for before, after in zip(rows, rows[1:]):
        need((int(after[0]) - int(before[0])) % 65536 == 1, f"lost between {before} and {after}")
        need((int(after[1]) - int(before[1])) % 2**32 == 160, f"a jump between {before} and {after}")
    need(rows[0][4] in ("1", "True"), "the first packet has no marker")
    times = [float(row[5]) for row in rows]
    middle = sorted(b - a for a, b in zip(times, times[1:]))[len(times) // 2]
    need(0.018 < middle < 0.022, f"a packet every {middle * 1000:.1f} ms")
    bad = capture.fields(
        "_ws.malformed || _ws.expert.severity >= 0x00600000", "frame.number", "_ws.expert.message",
        decode=rules, more=checked,
    )
    if interface == "out":
        good = capture.fields(f"udp.dstport == {port} && udp.checksum.status == 1", "frame.number", more=checked)
        need(len(good) == len(rows), f"{len(rows) - len(good)} of {len(rows)} packets have a bad checksum")
    else:
        # The sums are left to the device, and lo is none.
        bad = [row for row in bad if "checksum" not in row[1].lower()]
    need(not bad, f"tshark complains: {bad[:3]}")
    goodbyes = capture.fields("rtcp.pt == 203", "rtcp.pt", decode=rules, more=checked)
    need(goodbyes, "no BYE was sent")


def test_what_is_sent_comes_back_as_it_was(kit):
    for codec, rate in (("PCMU", 8000), ("G722", 16000), ("L16/16000", 16000)):
        name = codec.split("/")[0]
        port = Ports.take(count=2)
        heard = kit.path(f"{name}.wav")
        receiver = kit.start(f"receive-{name}", kit.example("rtp_tools"), "receive", port, heard, rate)
        receiver.wait_line("listening")
        tone = write_tone(kit.path(f"{name}-tone.wav"), 700, SECONDS, rate=rate)
        sent(kit, f"send-{name}", tone, f"127.0.0.1:{port}", codec)
        need(receiver.exit_code() == 0, f"{codec}: receive failed: {receiver.last()}")
        need("lost=0" in receiver.last(), f"{codec}: {receiver.last()}")
        got_rate, samples = read_wav(heard)
        need(got_rate == rate, f"{codec}: {got_rate} Hz")
        loud = loud_blocks(got_rate, samples)
        need(SECONDS * 50 - 8 <= len(loud) <= SECONDS * 50 + 8, f"{codec}: {len(loud)} loud blocks of 20 ms")
        flat = [sample for block in loud[2:-2] for sample in block]
        level = (sum(s * s for s in flat) / len(flat)) ** 0.5
        need(6700 < level < 7450, f"{codec}: level {level:.0f}, 7071 was sent")
        part = share(got_rate, flat, 700)
        need(part > 0.97, f"{codec}: only {part:.3f} of it is the tone")


def test_printed_packets_show_their_fields_and_extension_elements(kit):
    port = Ports.take(count=2)
    printer = kit.start("print", kit.example("rtp_tools"), "print", port, 3)
    printer.wait_line("listening")
    element = bytes([0x31, 0xAB, 0xCD, 0])
    packet = struct.pack("!BBHII", 0x90, 0x80, 4711, 160, 0xCAFE) + struct.pack("!HH", 0xBEDE, 1) + element + b"x" * 160
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for datagram in (packet, b"\x80\xc8\x00\x06" + bytes(24), b"\x80\x00short"):
            sock.sendto(datagram, ("127.0.0.1", port))
    need(printer.exit_code() == 0, printer.last())
    text = printer.text()
    for wanted in (r" RTP 180 bytes", r"4711", r"element id=3 bytes=abcd", r" RTCP 28 bytes", r"broken: "):
        need(re.search(wanted, text), f"{wanted!r} is missing in: {text}")
