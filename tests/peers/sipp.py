"""SIPp scenarios, written from a few building blocks, and what runs them."""

import re
import subprocess
import time

from kit import PATIENCE, Failure, Ports, Process, wait_for_options

SDP = """v=0
o=peer 7 7 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0 8 {event}
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:{event} telephone-event/8000
a=fmtp:{event} 0-15
a=ptime:20
"""


def body(sdp):
    return f"Content-Type: application/sdp\nContent-Length: [len]\n\n{sdp}" if sdp else "Content-Length: 0\n\n"


def send(text, options=""):
    return f"<send {options}><![CDATA[\n\n{text}\n]]></send>\n"


def recv(what, options="", action=""):
    kind = "response" if what.isdigit() else "request"
    return f'<recv {kind}="{what}" {options}>{f"<action>{action}</action>" if action else ""}</recv>\n'


def maybe(*codes):
    return "".join(recv(code, 'optional="true"') for code in codes)


def wait(ms):
    return f'<pause milliseconds="{ms}"/>\n'


def request(method, number, sdp="", to="[peer_tag_param]", uri="[next_url]", routes="[routes]\n", branch="[branch]", extra=""):
    """A request of the caller. The steps of a scenario are numbered, and `[branch-N]` is that of N steps ago."""
    return (
        f"{method} {uri} SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport\n"
        f"Max-Forwards: 70\n{routes}From: \"Peer\" <sip:peer@[local_ip]:[local_port]>;tag=[call_number]x[pid]\n"
        f"To: <sip:[service]@[remote_ip]:[remote_port]>{to}\nCall-ID: [call_id]\nCSeq: {number} {method}\n"
        f"Contact: <sip:peer@[local_ip]:[local_port]>\n{extra}{body(sdp)}"
    )


def new(method, number=1, sdp="", branch="[branch]", extra=""):
    """A request outside a dialog."""
    return request(method, number, sdp, "", "sip:[service]@[remote_ip]:[remote_port]", "", branch, extra)


def offer(event=101):
    return SDP.format(event=event)


def reply(line, sdp="", tag=True, extra=""):
    to = "[last_To:];tag=[call_number]y[pid]" if tag else "[last_To:]"
    return (
        f"SIP/2.0 {line}\n[last_Via:]\n[last_From:]\n{to}\n[last_Call-ID:]\n[last_CSeq:]\n[last_Record-Route:]\n"
        f"Contact: <sip:peer@[local_ip]:[local_port]>\n{extra}{body(sdp)}"
    )


INVITE = send(new("INVITE", 1, offer()), 'retrans="500"')
RINGING = maybe("100", "180", "183")
ANSWER = recv("200", 'rrs="true"')
ACK = send(request("ACK", 1))
BYE = send(request("BYE", 2), 'retrans="500"') + recv("200")
TAKE_BYE = recv("BYE") + send(reply("200 OK", tag=False))

SCENARIOS = {
    # SIPp dials.
    "caller": INVITE + RINGING + ANSWER + ACK + wait(1500) + BYE,
    "caller_waits": INVITE + RINGING + ANSWER + ACK + TAKE_BYE,
    "caller_is_refused": INVITE + maybe("100", "180") + recv("486") + send(new("ACK").replace("To: <sip:[service]@[remote_ip]:[remote_port]>", "[last_To:]").replace("branch=[branch]", "branch=[branch-4]")),
    "caller_without_offer": send(new("INVITE", 1), 'retrans="500"')
    + RINGING
    + recv("200", 'rrs="true"', '<ereg regexp="m=audio [1-9]" search_in="body" check_it="true" assign_to="1"/>')
    + send(request("ACK", 1, offer()))
    + '<log message="offer [$1]"/>\n'.join(["", ""])
    + wait(1000)
    + BYE,
    "caller_acks_late": INVITE + RINGING + ANSWER + wait(2200) + ACK + wait(300) + BYE,
    "caller_never_acks": INVITE + RINGING + ANSWER + recv("BYE", 'timeout="45000"') + send(reply("200 OK", tag=False)),
    # Loses every provisional response, so that its own timer sends the INVITE again.
    "caller_repeats_invite": INVITE
    + "".join(recv(code, 'optional="true" lost="100"') for code in ("100", "180"))
    + ANSWER
    + ACK
    + wait(500)
    + BYE,
    "caller_cancels": INVITE
    + recv("100", 'optional="true"')
    + recv("180")
    + send(new("CANCEL", branch="[branch-3]"))
    + recv("200")
    + recv("487")
    + send(new("ACK", branch="[branch-6]").replace("To: <sip:[service]@[remote_ip]:[remote_port]>", "[last_To:]")),
    "caller_cancels_too_late": INVITE
    + RINGING
    + ANSWER
    + send(new("CANCEL", branch="[branch-5]"))
    + recv("481", 'optional="true" next="1"')
    + recv("200")
    + '<label id="1"/>\n'
    + ACK
    + wait(500)
    + BYE,
    "caller_with_keys": send(new("INVITE", 1, offer(96)), 'retrans="500"')
    + RINGING
    + ANSWER
    + ACK
    + wait(300)
    + '<nop><action><exec play_dtmf="159#"/></action></nop>\n'
    + wait(2500)
    + BYE,
    "options": send(new("OPTIONS"))
    + recv("200", "", '<ereg regexp="INVITE" search_in="hdr" header="Allow:" check_it="true" assign_to="1"/>')
    + '<Reference variables="1"/>\n',
    "unknown_method": send(new("JUGGLE"))
    + recv("405", "", '<ereg regexp="INVITE" search_in="hdr" header="Allow:" check_it="true" assign_to="1"/>')
    + '<Reference variables="1"/>\n',
    "stray_bye": send(request("BYE", 9, to=";tag=nobody", uri="sip:[service]@[remote_ip]:[remote_port]", routes="")) + recv("481"),
    # SIPp is called.
    "callee": recv("INVITE", 'rrs="true"') + send(reply("180 Ringing")) + wait(200)
    + send(reply("200 OK", offer()), 'retrans="500"') + recv("ACK") + TAKE_BYE,
    "callee_hangs_up": recv("INVITE", 'rrs="true"', '<ereg regexp=".*" search_in="hdr" header="From:" assign_to="1"/>'
    '<ereg regexp="[^&lt;]*(&lt;[^&gt;]*&gt;)" search_in="hdr" header="Contact:" assign_to="3,4"/>'
    '<ereg regexp="sip:[^&gt;]*" search_in="hdr" header="Contact:" assign_to="5"/>'
    '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="2"/>')
    + send(reply("200 OK", offer()), 'retrans="500"') + recv("ACK") + wait(1000)
    + send("BYE [$5] SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport\nMax-Forwards: 70\n"
           "From:[$2];tag=[call_number]y[pid]\nTo:[$1]\n[last_Call-ID:]\nCSeq: 1 BYE\nContent-Length: 0\n\n", 'retrans="500"')
    + recv("200") + '<Reference variables="3,4"/>\n',
    "callee_is_busy": recv("INVITE") + send(reply("486 Busy Here"), 'retrans="500"') + recv("ACK"),
    "callee_is_unknown": recv("INVITE") + send(reply("404 Not Found"), 'retrans="500"') + recv("ACK"),
    "callee_has_early_media": recv("INVITE", 'rrs="true"') + send(reply("183 Session Progress", offer())) + wait(1500)
    + send(reply("200 OK", offer()), 'retrans="500"') + recv("ACK") + TAKE_BYE,
    "callee_is_cancelled": recv("INVITE", "", '<ereg regexp=".*" search_in="hdr" header="CSeq:" assign_to="1"/>'
    '<ereg regexp=".*" search_in="hdr" header="Via:" assign_to="2"/>')
    + send(reply("180 Ringing"))
    + recv("CANCEL")
    + send(reply("200 OK"))
    + send("SIP/2.0 487 Request Terminated\nVia:[$2]\n[last_From:]\n[last_To:];tag=[call_number]y[pid]\n[last_Call-ID:]\nCSeq:[$1]\n"
           "Content-Length: 0\n\n", 'retrans="500"')
    + recv("ACK"),
}
SCENARIOS["caller_without_offer"] = SCENARIOS["caller_without_offer"].replace('<log message="offer [$1]"/>\n', "") + (
    '<Reference variables="1"/>\n'
)


def port_is_open(port):
    """Asked of the kernel: to try the port would take it from the one who is about to open it."""
    ending = f":{port:04X}"
    for table in ("/proc/net/udp", "/proc/net/udp6", "/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as lines:
            if any(line.split()[1].endswith(ending) for line in lines if ":" in line):
                return True
    return False


class Sipp(Process):
    """One run of a scenario; `remote` is (host, port) when SIPp dials."""

    def __init__(self, kit, scenario, remote=None, host="127.0.0.1", service="phone", calls=1, limit=30, options=()):
        self.scenario, self.port, self.host = scenario, Ports.take(host), host
        media = Ports.take(host, count=8)
        text = f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<scenario name="{scenario}">\n{SCENARIOS[scenario]}</scenario>\n'
        name = f"sipp-{scenario}-{self.port}"
        file = kit.path(f"{name}.xml")
        file.write_text(text)
        self.messages = kit.path(f"{name}.messages")
        self.errors = kit.path(f"{name}.errors")
        target = []
        if remote:
            target = [f"[{remote[0]}]:{remote[1]}" if ":" in remote[0] else f"{remote[0]}:{remote[1]}"]
        shown = f"[{host}]" if ":" in host else host
        super().__init__(
            kit,
            name,
            ["sipp", *target, "-sf", file, "-i", shown, "-mi", shown, "-p", self.port, "-mp", media, "-s", service]
            + ["-m", calls, "-timeout", f"{limit}s", "-timeout_error", "-nostdin", "-trace_msg", "-message_file", self.messages]
            + ["-trace_err", "-error_file", self.errors, *options],
        )
        if not remote:
            self._wait_bound()

    def _wait_bound(self):
        """SIPp as a callee has no sign of being ready but its port being taken."""
        deadline = time.monotonic() + PATIENCE
        while not port_is_open(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"sipp {self.scenario} did not open its port: {self.last()}")

    def uri(self, user="peer"):
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"sip:{user}@{shown}:{self.port}"

    def went_well(self, timeout=60):
        code = self.exit_code(timeout)
        if code != 0:
            why = self.errors.read_text(errors="replace").strip() if self.errors.exists() else ""
            raise Failure(f"sipp {self.scenario} left with {code}: {why[:600] or self.last()}")

    def sent_often(self, first_line, count):
        """Waits until it has sent so many of them."""
        deadline = time.monotonic() + PATIENCE
        while not self.messages.exists() or self.messages.read_text(errors="replace").count(first_line) < count:
            try:
                self.process.wait(0.1)
                raise Failure(f"sipp {self.scenario} ended before it had sent {count} times {first_line}")
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    raise Failure(f"sipp {self.scenario} did not send {count} times {first_line}") from None

    def received(self, pattern):
        """How many messages it received whose first line matches."""
        text = self.messages.read_text(errors="replace")
        parts = re.split(r"-{20,}[^\n]*\n", text)
        count = 0
        for part in parts:
            head, _, rest = part.partition("\n\n")
            if "received" in head and re.match(pattern, rest.lstrip()):
                count += 1
        return count
