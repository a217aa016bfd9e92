"""Starts peers on free ports, waits for what they say and stops them by pid. Nothing here sleeps: every wait is for a
line, an answer or an exit, and has a deadline."""

import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PATIENCE = 20.0
# An authority, a server's certificate for localhost and 127.0.0.1, and its key.
TLS = ROOT / "tests" / "data" / "tls"


class Failure(Exception):
    """What went wrong, in one sentence."""


class Ports:
    """Ports below the ephemeral range, each handed out once in this process."""

    lock = threading.Lock()
    used = set()
    dice = random.Random(os.getpid())

    @classmethod
    def take(cls, host="127.0.0.1", count=1):
        """The first of `count` neighbouring free ports (UDP and TCP); even when there is more than one."""
        for _ in range(500):
            first = cls.dice.randrange(18000, 31000)
            first += first % 2
            block = range(first, first + count)
            with cls.lock:
                if any(port in cls.used for port in block) or not all(cls.free(host, port) for port in block):
                    continue
                cls.used.update(block)
                return first
        raise Failure("no free port was found")

    @staticmethod
    def free(host, port):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(family, kind) as probe:
                try:
                    probe.bind((host, port))
                except OSError:
                    return False
        return True


class Process:
    """A program in the foreground whose output lines can be waited for."""

    def __init__(self, kit, name, command, stdin=False, env=None, cwd=None):
        self.kit, self.name = kit, name
        self.lines, self.seen, self.closed = [], 0, False
        self.news = threading.Condition()
        self.log = open(kit.path(f"{name}.log"), "w", encoding="utf-8")
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        kit.processes.append(self)

    def _read(self):
        for raw in self.process.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            with self.news:
                self.log.write(f"{time.monotonic() - self.kit.started:8.3f} {line}\n")
                self.log.flush()
                self.lines.append(line)
                self.news.notify_all()
        with self.news:
            self.closed = True
            self.news.notify_all()

    def say(self, text):
        with self.news:
            self.log.write(f"{time.monotonic() - self.kit.started:8.3f} < {text}\n")
        self.process.stdin.write((text + "\n").encode())
        self.process.stdin.flush()

    def end_input(self):
        self.process.stdin.close()

    def find(self, accept, what, timeout=PATIENCE, start=None):
        """The first line from the cursor on that `accept` takes; moves the cursor behind it."""
        deadline = time.monotonic() + timeout
        with self.news:
            at = self.seen if start is None else start
            while True:
                while at < len(self.lines):
                    found = accept(self.lines[at])
                    at += 1
                    if found:
                        self.seen = at
                        return found
                left = deadline - time.monotonic()
                if self.closed:
                    raise Failure(f"{self.name} ended without {what}; its last line: {self.last()}")
                if left <= 0:
                    raise Failure(f"{self.name}: no {what} in {timeout:g} s; last line: {self.last()}")
                self.news.wait(left)

    def wait_line(self, pattern, timeout=PATIENCE, start=None):
        return self.find(re.compile(pattern).search, f"line like {pattern!r}", timeout, start)

    def last(self):
        return self.lines[-1] if self.lines else "(none)"

    def text(self):
        with self.news:
            return "\n".join(self.lines)

    def signal(self, number):
        self.process.send_signal(number)

    def exit_code(self, timeout=PATIENCE):
        """Waits for the end and says how it ended."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end in {timeout:g} s; last line: {self.last()}") from None
        self.reader.join(5)
        return code

    def stop(self, timeout=5.0):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                # A program with children (kamailio) is the leader of its own session.
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.reader.join(5)
        self.log.close()


WORD = re.compile(r'([a-z_]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))')


def words(line):
    """`event=x call=1 name="a b"` as a dict."""
    pairs = {}
    for key, quoted, bare in WORD.findall(line):
        pairs[key] = re.sub(r"\\(.)", r"\1", quoted) if quoted else bare
    return pairs


class Phone(Process):
    """The `phone` example: commands in, event lines out."""

    def __init__(self, kit, name, *options, host="127.0.0.1", bind=None, wrap=()):
        at = bind or (f"[{host}]:0" if ":" in host else f"{host}:0")
        super().__init__(kit, name, [*wrap, kit.example("phone"), "--bind", at, *options], stdin=True)
        ready = self.event("started")
        self.host, self.port = host, int(ready["local"].rsplit(":", 1)[1])
        self.address = ready["local"]

    def uri(self, user=None):
        return f"sip:{user or self.name}@{self.address}"

    def event(self, kind, timeout=PATIENCE, start=None, **wanted):
        """The next event of that kind whose words are as wanted."""

        def accept(line):
            if not line.startswith("event="):
                return None
            have = words(line)
            if have.get("event") != kind:
                return None
            return have if all(have.get(k) == str(v) for k, v in wanted.items()) else None

        extra = "".join(f" {k}={v}" for k, v in wanted.items())
        return self.find(accept, f"event={kind}{extra}", timeout, start)

    def events(self, kind):
        return [words(line) for line in self.text().split("\n") if line.startswith(f"event={kind} ")]

    def digits(self, call, text):
        """The keys of one call, in order, as they arrive."""
        for digit in text:
            self.event("dtmf", call=call, digit=digit)

    def quit(self):
        self.say("quit")
        code = self.exit_code()
        if code != 0:
            raise Failure(f"{self.name} left with {code}")


class Kamailio(Process):
    def __init__(self, kit, algorithm="MD5", min_expires=10):
        self.port, self.tls_port = Ports.take(), Ports.take()
        folder = kit.folder("kamailio")
        super().__init__(
            kit,
            "kamailio",
            ["kamailio", "-DD", "-E", "-m", "32", "-M", "4", "-Y", folder, "-f", HERE / "kamailio.cfg"]
            + ["-A", f"LISTEN=udp:127.0.0.1:{self.port}"]
            + ["-A", f"LISTEN_TCP=tcp:127.0.0.1:{self.port}", "-A", f"LISTEN_TLS=tls:127.0.0.1:{self.tls_port}"]
            + ["-A", f'CERT="{TLS / "server.pem"}"', "-A", f'KEY="{TLS / "server.key"}"']
            + ["-A", 'ALGORITHM="%s"' % ("" if algorithm == "MD5" else algorithm)]
            + ["-A", f"MIN_EXPIRES={min_expires}"],
            env={"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"},
        )
        wait_for_options(self, self.port)

    def account(self, user, password, transport="udp"):
        port = self.tls_port if transport == "tls" else self.port
        more = [] if transport == "udp" else ["--transport", transport]
        more += ["--tls-ca", TLS / "ca.pem"] if transport == "tls" else []
        return ["--server", f"sip:127.0.0.1:{port}", "--user", user, "--password", password, *more]


def wait_for_options(process, port, host="127.0.0.1"):
    """Asks by OPTIONS until the peer answers."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        sock.settimeout(0.25)
        own = sock.getsockname()
        shown = f"[{own[0]}]:{own[1]}" if ":" in host else f"{own[0]}:{own[1]}"
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        deadline = time.monotonic() + PATIENCE
        for number in range(1, 1000):
            text = (
                f"OPTIONS sip:{target} SIP/2.0\r\nVia: SIP/2.0/UDP {shown};branch=z9hG4bKready{number};rport\r\n"
                f"Max-Forwards: 5\r\nFrom: <sip:ready@{shown}>;tag=r{number}\r\nTo: <sip:{target}>\r\n"
                f"Call-ID: ready{number}@{shown}\r\nCSeq: {number} OPTIONS\r\nContent-Length: 0\r\n\r\n"
            )
            try:
                sock.sendto(text.encode(), (host, port))
                if sock.recv(4096).startswith(b"SIP/2.0"):
                    return
            except OSError:
                pass
            if process.process.poll() is not None or time.monotonic() > deadline:
                break
    raise Failure(f"{process.name} did not answer OPTIONS on port {port}; last line: {process.last()}")


class Baresip(Process):
    """A headless baresip that plays a tone into the call and records what it hears."""

    def __init__(self, kit, name, tone=1000, account=None, answer="auto", codecs="pcmu,pcma", encryption="", mux="no"):
        self.port, self.control = Ports.take(count=2), Ports.take()
        self.tls_port = self.port + 1
        rtp = Ports.take(count=20)
        folder = kit.folder(name)
        self.recordings = kit.folder(f"{name}/rec")
        if account:
            port, user, password = account
            line = (
                f"<sip:{user}@127.0.0.1:{port}>;auth_user={user};auth_pass={password};"
                f'outbound="sip:127.0.0.1:{port}";regint=60'
            )
        else:
            line = f"<sip:{name}@127.0.0.1:{self.port}>;regint=0"
        if encryption:
            line += f";mediaenc={encryption}"
        (folder / "accounts").write_text(f"{line};answermode={answer};audio_codecs={codecs}\n")
        (folder / "contacts").write_text("")
        (folder / "config").write_text(
            f"""poll_method epoll
sip_listen 127.0.0.1:{self.port}
sip_certificate {TLS / "server-bundle.pem"}
sip_cafile {TLS / "ca.pem"}
call_local_timeout 60
call_max_calls 4
audio_source ausine,{tone}
audio_player aubridge,{name}
audio_alert aubridge,{name}-alert
audio_level no
ausrc_srate 48000
ausrc_channels 2
auplay_srate 0
rtp_ports {rtp}-{rtp + 19}
rtcp_mux {mux}
jitter_buffer_delay 2-10
module_path /usr/lib/baresip/modules
module g711.so
module ausine.so
module aubridge.so
module sndfile.so
module srtp.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{self.control}
snd_path rec
"""
        )
        # It cuts the names of its recordings off at 128 bytes, so it works in its folder.
        super().__init__(kit, name, ["baresip", "-f", folder, "-s", "-v"], cwd=folder)
        self.buffer, self.events = b"", []
        self.socket = self._connect()
        if account:
            self.wait_line(r"200 OK.*binding")

    def _connect(self):
        deadline = time.monotonic() + PATIENCE
        self.wait_line("baresip is ready")
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.control), 5)
            except OSError as problem:
                if time.monotonic() > deadline:
                    raise Failure(f"{self.name}: the control socket does not open ({problem})") from None

    def command(self, command, params=""):
        text = json.dumps({"command": command, "params": params, "token": command}).encode()
        self.socket.sendall(b"%d:%s," % (len(text), text))
        return self._message(lambda m: m.get("response") and m.get("token") == command, f"answer to {command}")

    def wait_event(self, kind, timeout=PATIENCE):
        for index, message in enumerate(self.events):
            if message.get("type") == kind:
                del self.events[: index + 1]
                return message
        return self._message(lambda m: m.get("type") == kind, f"event {kind}", timeout)

    def _message(self, accept, what, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        while True:
            message = self._take()
            if message is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Failure(f"{self.name}: no {what} in {timeout:g} s")
                self.socket.settimeout(left)
                try:
                    more = self.socket.recv(65536)
                except TimeoutError:
                    continue
                if not more:
                    raise Failure(f"{self.name} closed its control socket before {what}")
                self.buffer += more
            elif accept(message):
                return message
            else:
                self.events.append(message)

    def _take(self):
        head, colon, rest = self.buffer.partition(b":")
        if not colon or len(rest) <= int(head):
            return None
        self.buffer = rest[int(head) + 1 :]
        return json.loads(rest[: int(head)])

    def recording(self):
        """What it heard."""
        found = sorted(self.recordings.glob("*dec.wav"))
        if not found:
            raise Failure(f"{self.name} recorded nothing")
        return found[0]


class Capture(Process):
    """tshark on an interface, for some UDP ports. `address` is where a probe passes that interface."""

    def __init__(self, kit, name, filter_, interface="lo", address="127.0.0.1"):
        self.address = address
        self.file = kit.path(f"{name}.pcapng")
        self.probe = Ports.take()
        super().__init__(
            kit, name, ["tshark", "-i", interface, "-l", "-P", "-w", self.file, "-f", f"udp and ({filter_} or port {self.probe})"]
        )
        self._wait_capturing()

    def _wait_capturing(self):
        """Sends to the probe port until tshark shows it."""
        deadline = time.monotonic() + PATIENCE
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while time.monotonic() < deadline:
                sock.sendto(b"", (self.address, self.probe))
                try:
                    self.wait_line(rf"\b{self.probe}\b", timeout=0.3, start=0)
                    return
                except Failure:
                    if self.closed:
                        break
        raise Failure(f"tshark does not capture on lo (it needs root or the group wireshark): {self.last()}")

    def finish(self):
        """One more probe, so that all before it is in the file; then stop."""
        before = len(self.lines)
        deadline = time.monotonic() + PATIENCE
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while time.monotonic() < deadline:
                sock.sendto(b"", (self.address, self.probe))
                try:
                    self.wait_line(rf"\b{self.probe}\b", timeout=0.3, start=before)
                    break
                except Failure:
                    continue
        self.process.send_signal(signal.SIGINT)
        self.exit_code()

    def fields(self, display, *names, decode=(), more=()):
        """One list of values a packet that passes the display filter."""
        command = ["tshark", "-r", self.file, "-Y", display, "-T", "fields", "-E", "separator=|"]
        for name in names:
            command += ["-e", name]
        for rule in decode:
            command += ["-d", rule]
        command += more
        out = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=60)
        if out.returncode:
            raise Failure(f"tshark -r: {out.stderr.strip()}")
        return [line.split("|") for line in out.stdout.splitlines()]


class Kit:
    """What one test has: a folder, its processes, and the place of the built programs."""

    def __init__(self, name, build, out):
        self.name, self.build = name, pathlib.Path(build).resolve()
        self.out = pathlib.Path(out) / name
        self.out.mkdir(parents=True, exist_ok=True)
        self.processes = []
        self.started = time.monotonic()

    def path(self, name):
        return self.out / name

    def folder(self, name):
        made = self.out / name
        made.mkdir(parents=True, exist_ok=True)
        return made

    def example(self, name):
        program = self.build / "examples" / name
        if not program.exists():
            raise Failure(f"{program} is not built: run `make build`")
        return program

    def start(self, name, *command, **more):
        return Process(self, name, command, **more)

    def phone(self, name, *options, **more):
        return Phone(self, name, *options, **more)

    def abort(self):
        for process in self.processes:
            if process.process.poll() is None:
                process.process.kill()

    def close(self):
        for process in reversed(self.processes):
            process.stop()


def need(condition, sentence):
    if not condition:
        raise Failure(sentence)
