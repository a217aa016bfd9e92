"""The peers: baresip and SIPp of the distribution, on the measured core, under the same load as we are."""

import pathlib
import shutil
import socket
import struct
import subprocess
import time

from house import FAR, MEASURED, Failure, Skip

MODULES = pathlib.Path("/usr/lib/baresip/modules")
BARESIP_CALLS = 50


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(process, port, patience=10):
    """Until somebody answers an OPTIONS there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(0.2)
        me = s.getsockname()[1]
        for attempt in range(int(patience * 5)):
            s.sendto(
                f"OPTIONS sip:x@127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{me};branch=z9hG4bKw{attempt};rport\r\n"
                f"From: <sip:w@127.0.0.1>;tag=w{attempt}\r\nTo: <sip:x@127.0.0.1:{port}>\r\nCall-ID: w{attempt}@w\r\n"
                f"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n".encode(),
                ("127.0.0.1", port),
            )
            try:
                if s.recv(2048):
                    return
            except (TimeoutError, ConnectionRefusedError):
                time.sleep(0.05)
            if not process.alive():
                raise Failure(f"{process.name} ended (see {process.log_path})")
    raise Failure(f"{process.name} does not answer")


# ---- baresip


def pattern_wav(house, seconds=120):
    """What the measured program would write: numbered frames, so that the far side can check them."""
    path = house.out / "pattern.wav"
    if not path.exists():
        frames = b"".join(struct.pack("<160h", *map(ulaw, frame(n))) for n in range(seconds * 50))
        head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(frames), b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", len(frames))
        path.write_bytes(head + frames)
    return path


def frame(n):
    head = [(n >> 6 * i) & 63 for i in range(4)] + [0, 0, 0, (n * 7 + 5) & 63]
    k = n & 15
    return [0x80 | c for c in head + [(k * 37 + i * 11 + (i >> 3) * k) & 63 for i in range(152)]]


def ulaw(code):
    u = ~code & 0xFF
    t = (((u & 15) << 3) + 0x84) << ((u & 0x70) >> 4)
    return 0x84 - t if u & 0x80 else t - 0x84


def baresip(house, source, player):
    if not shutil.which("baresip") or not (MODULES / "g711.so").exists():
        raise Skip("baresip is not installed (Debian: baresip-core)")
    folder = house.out / "baresip"
    folder.mkdir(exist_ok=True)
    port = free_port()
    (folder / "accounts").write_text(f"<sip:bench@127.0.0.1:{port}>;regint=0;answermode=auto;audio_codecs=pcmu\n")
    (folder / "contacts").write_text("")
    (folder / "config").write_text(
        f"poll_method epoll\nsip_listen 127.0.0.1:{port}\ncall_local_timeout 60\ncall_max_calls 500\naudio_source {source}\n"
        f"audio_player {player}\naudio_alert aubridge,alert\naudio_level no\nausrc_srate 8000\nauplay_srate 8000\nausrc_channels 1\n"
        f"auplay_channels 1\nrtp_ports 40000-48000\nrtcp_mux no\nrtp_stats no\njitter_buffer_delay 1-10\nmodule_path {MODULES}\n"
        "statmode_default off\nmodule g711.so\nmodule aufile.so\nmodule aubridge.so\nmodule_tmp account.so\nmodule_app menu.so\n"
    )
    process = house.start(["baresip", "-f", folder], MEASURED, log="baresip", quiet=True)
    try:
        wait_for_port(process, port)
    except BaseException:
        process.stop(2)
        raise
    return process, f"127.0.0.1:{port}"


def baresip_calls(house):
    """Microseconds of CPU a pair of frames."""
    process, address = baresip(house, f"aufile,{pattern_wav(house)}", "aubridge,nobody")
    with process:
        figures = house.far_calls(BARESIP_CALLS, address, process.pid, ["check=0"], window=3, settle=2, rate=20)
        process.child.terminate()
    if figures["came"] < figures["expected"] * 0.9:
        raise Failure(f"baresip sent {figures['came']} of {figures['expected']:.0f} frames")
    house.memory["baresip figures"] = figures
    return figures["us_pair"]


def baresip_setup(house):
    """CPU milliseconds a call, and calls a second; without a source of audio, which would cost it a thread a call."""
    process, address = baresip(house, "aubridge,nothing", "aubridge,nobody")
    with process:
        figures = house.far_churn(2000, address, process.pid, across=5, patience=30)
        process.child.terminate()
    return figures


def baresip_delay(house):
    """Median of the loop from read to write, in milliseconds."""
    process, address = baresip(house, "aubridge,loop", "aubridge,loop")
    with process:
        figures = house.far_calls(1, address, process.pid, ["loop=1"], window=5, settle=2)
        process.child.terminate()
    return figures["delay_p50_ms"]


# ---- SIPp


def sipp(house, words, core=MEASURED):
    if not shutil.which("sipp"):
        raise Skip("SIPp is not installed (Debian: sip-tester)")
    return house.start(["sipp", *words, "-nostdin", "-skip_rlimit"], core, log="sipp", quiet=True)


def sipp_callee(house, *more):
    port, media = free_port(), free_port() & ~3
    process = sipp(house, ["-sn", "uas", "-i", "127.0.0.1", "-p", port, "-mi", "127.0.0.1", "-mp", media, *more])
    time.sleep(1)
    return process, f"127.0.0.1:{port}"


def sipp_echo(house):
    """Microseconds of CPU a pair of frames; SIPp sends what it got, from one socket, and looks at nothing."""
    process, address = sipp_callee(house, "-rtp_echo")
    with process:
        figures = house.far_calls(300, address, process.pid, ["check=0"], window=3, settle=1, rate=200)
        process.child.terminate()
    if figures["came"] < figures["expected"] * 0.9:
        raise Failure(f"SIPp sent {figures['came']} of {figures['expected']:.0f} frames back")
    return figures["us_pair"]


def sipp_setup(house):
    process, address = sipp_callee(house)
    with process:
        figures = house.far_churn(3000, address, process.pid, across=50, patience=30)
        process.child.terminate()
    return figures


def sipp_caller(house):
    """SIPp places calls: CPU milliseconds a call, and calls a second."""
    with house.start([house.program("answer")], FAR) as far:
        port = far.line(10).split()[1]
        calls = 5000
        words = ["-sn", "uac", "-i", "127.0.0.1", "-p", free_port(), "-m", calls, "-r", 10000, "-l", 50, "-d", 0, f"127.0.0.1:{port}"]
        begin = time.monotonic()
        with sipp(house, words) as process:
            try:
                usage = wait_usage(process, 40)
            except subprocess.TimeoutExpired:
                raise Failure("SIPp did not end") from None
        return dict(per_second=calls / (time.monotonic() - begin), ms_call=usage / calls * 1000)


def wait_usage(process, patience):
    """CPU seconds of a program until it ended."""
    deadline, used = time.monotonic() + patience, 0.0
    while process.alive():
        if time.monotonic() > deadline:
            raise subprocess.TimeoutExpired(process.name, patience)
        try:
            used = max(used, process.cpu())
        except OSError:
            break
        time.sleep(0.002)
    return used
