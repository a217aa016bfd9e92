"""The examples that need no phone: STUN against coturn, SRTP against libsrtp2, a relay that changes payloads."""

import base64
import ctypes
import os
import re
import select
import signal
import socket
import struct
import subprocess
import time

from kit import PATIENCE, ROOT, Failure, Ports, need

LOOP = "127.0.0.1"


# ---- STUN ----


def coturn(kit, *options):
    """A server on both loopback addresses, UDP and TCP; its port."""
    port = Ports.take()
    folder = kit.folder(f"coturn-{port}")
    server = kit.start(
        f"coturn-{port}",
        "turnserver",
        *["-n", "-L", LOOP, "-L", "::1", "-E", LOOP, "-p", port, "--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout"],
        *["--simple-log", "--pidfile", folder / "pid", "-b", folder / "turndb", *options],
        cwd=folder,
        env={"PATH": os.environ["PATH"] + ":/usr/sbin:/usr/bin"},
    )
    for host in (LOOP, "::1"):
        wait_until_it_listens(server, host, port)
    return port


def wait_until_it_listens(server, host, port):
    """Connects until somebody is there; its UDP listeners are opened before its TCP ones."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((host, port), 1).close()
            return
        except OSError as problem:
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"coturn does not listen on {host}: {problem}") from None
            select.select([], [], [], 0.02)


def ask(kit, name, *arguments):
    client = kit.start(name, kit.example("stun_client"), *arguments)
    return client, client.exit_code()


def test_stun_client_asks_coturn_over_udp_and_tcp_ipv4_and_ipv6(kit):
    port = coturn(kit, "--no-auth")
    for server, address in ((f"{LOOP}:{port}", LOOP), (f"[::1]:{port}", "::1")):
        for transport in ("udp", "tcp"):
            client, code = ask(kit, f"{transport}-{address.replace(':', '')}", server, transport)
            need(code == 0, f"{transport} to {server}: {client.last()}")
            told = re.search(r"mapped (\S+) (\d+), asked from (\S+) (\d+)", client.text())
            need(told and told[1] == address and told[3] == address, client.text())
            need(told[2] == told[4] and "no NAT" in client.text(), f"{transport} to {server}: {client.text()}")


def test_stun_client_has_long_term_credentials(kit):
    port = coturn(kit, "--secure-stun", "-a", "-u", "alice:secret", "-r", "example.org")
    for transport in ("udp", "tcp"):
        for host in (f"{LOOP}:{port}", f"[::1]:{port}"):
            name = f"{transport}-{'6' if '[' in host else '4'}"
            client, code = ask(kit, name, host, transport, "alice", "secret")
            need(code == 0 and "mapped" in client.text(), f"{name}: {client.last()}")
            client, code = ask(kit, f"{name}-wrong", host, transport, "alice", "wrong")
            need(code == 1 and "no answer" in client.text(), f"a wrong password got {client.text()}")
            client, code = ask(kit, f"{name}-none", host, transport)
            need(code == 1, f"no password got {client.text()}")


# ---- SRTP ----

# Name, the number that benches/libsrtp2.c knows it by, bytes of key and salt.
PROFILES = (
    ("AES_CM_128_HMAC_SHA1_80", 1, 30),
    ("AES_CM_128_HMAC_SHA1_32", 2, 30),
    ("AES_256_CM_HMAC_SHA1_80", 0x1001, 46),
    ("AEAD_AES_128_GCM", 7, 28),
    ("AEAD_AES_256_GCM", 8, 44),
)


def libsrtp(kit):
    """Debian's libsrtp2 behind the shim of the benchmark."""
    shim = kit.path("libsrtp2-shim.so")
    command = ["cc", "-O1", "-shared", "-fPIC", "-o", str(shim), str(ROOT / "benches" / "libsrtp2.c"), "-lsrtp2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise Failure(f"the libsrtp2 shim does not compile (libsrtp2-dev?): {done.stderr.strip()}")
    library = ctypes.CDLL(str(shim))
    library.peer_new.restype = ctypes.c_void_p
    library.peer_new.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    for function in (library.peer_protect, library.peer_unprotect):
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    library.peer_free.argtypes = [ctypes.c_void_p]
    return library


def through(function, session, packet):
    room = ctypes.create_string_buffer(packet, len(packet) + 64)
    length = function(session, room, len(packet))
    return room.raw[:length] if length >= 0 else None


def rtp(sequence, payload, first=b"\x80"):
    return first + struct.pack("!BHII", 8, sequence & 0xFFFF, sequence * 160, 0x1BADCAFE) + payload


def test_srtp_echo_talks_with_libsrtp2(kit):
    library = libsrtp(kit)
    for name, number, secret_bytes in PROFILES:
        secret = bytes((7 * n + 3) % 256 for n in range(secret_bytes))
        crypto = f"1 {name} inline:{base64.b64encode(secret).decode()}"
        program = kit.start(name, kit.example("srtp_echo"), crypto, LOOP, 0)
        theirs = program.wait_line(r"crypto 1 (\S+) inline:(\S+)")
        need(theirs[1] == name, f"it answers {name} with {theirs[1]}")
        port = int(program.wait_line(r"listening on .*:(\d+)")[1])
        sender = library.peer_new(number, secret, 0)
        receiver = library.peer_new(number, base64.b64decode(theirs[2]), 1)
        need(sender and receiver, f"libsrtp2 makes no session of {name}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.connect((LOOP, port))
            # Across the roll-over of the sequence number.
            for n in range(65530, 65545):
                plain = rtp(n, bytes([n % 256]) * 160)
                sealed = through(library.peer_protect, sender, plain)
                sock.send(sealed)
                echo = sock.recv(4096)
                need(echo != sealed, "the echo is what was sent: it was not encrypted anew")
                need(through(library.peer_unprotect, receiver, echo) == plain, f"{name}: packet {n} came back otherwise")
            # Twice, and changed: nothing comes back but the next good one.
            sock.send(sealed)
            sock.send(sealed[:-1] + bytes([sealed[-1] ^ 1]))
            sock.send(b"hello")
            plain = rtp(65545, b"the last")
            sock.send(through(library.peer_protect, sender, plain))
            need(through(library.peer_unprotect, receiver, sock.recv(4096)) == plain, "not the last packet came back")
        program.wait_line("refused: .*seen before", start=0)
        program.signal(signal.SIGINT)
        need(program.exit_code(8) == 0, f"srtp_echo left with a failure: {program.last()}")
        need("echoed 16 packets" in program.text(), program.text())
        library.peer_free(sender)
        library.peer_free(receiver)


# ---- the relay ----


def bits(payloads):
    """The lowest bits of all bytes, eight to a byte."""
    flat = "".join(str(byte & 1) for payload in payloads for byte in payload)
    return bytes(int(flat[at : at + 8], 2) for at in range(0, len(flat) - 7, 8))


def test_change_payload_hides_a_text_and_leaves_valid_rtp(kit):
    text = "libvoip was here"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        far.bind((LOOP, 0))
        far.settimeout(5)
        program = kit.start("relay", kit.example("change_payload"), LOOP, far.getsockname()[1], text, LOOP, 0)
        port = int(program.wait_line(r"listening on .*:(\d+)")[1])
        near.connect((LOOP, port))

        def pass_on(packet):
            near.send(packet)
            return far.recv(4096)

        heard = []
        for n in range(10):
            voice = bytes((n * 31 + k * 7) % 256 for k in range(160))
            sent, got = rtp(n, voice), pass_on(rtp(n, voice))
            need(len(got) == len(sent) and got[:12] == sent[:12], f"packet {n}: the header changed")
            need(all(a & 0xFE == b & 0xFE for a, b in zip(got[12:], voice)), f"packet {n}: more than the lowest bits changed")
            heard.append(got[12:])
        need(bits(heard).startswith(text.encode() + b"\0" + text.encode()), f"not the text but {bits(heard)!r}")
        # CSRC, extension and padding are no payload: they stay.
        around = b"\0\0\0\5" + b"\xbe\xde\0\1\x10\xff\0\0"
        sent = rtp(11, around + bytes(160) + b"\0\0\0\4", b"\xb1")
        got = pass_on(sent)
        need(got[:24] == sent[:24] and got[-4:] == sent[-4:] and len(got) == len(sent), "more than the payload changed")
        # RTCP, another codec, and no RTP at all.
        other = bytearray(rtp(12, bytes(20)))
        other[1] = 18
        for packet in (b"\x81\xc9\0\7" + bytes(28), bytes(other), b"hello"):
            need(pass_on(packet) == packet, f"{packet!r} changed")
        program.signal(signal.SIGTERM)
        need(program.exit_code(8) == 0 and "passed 14 packets, changed 11" in program.text(), program.text())
