"""Memory: an idle registered phone, a call, a finished transaction, and what is left after hanging up."""

import time

from house import FAR

ORDER = 50
CALLS = 1000
TIMERS = 36  # seconds until the last transaction is forgotten (64 * T1, RFC 3261 section 17)


def run(house):
    idle(house)
    figures = house.calls(CALLS, far=[f"linger={TIMERS}"], window=1)
    house.add("a G.711 call with media", (figures["rss_up_kib"] - figures["rss_before_kib"]) / CALLS, "KiB", most=16)
    left = (figures["rss_after_kib"] - figures["rss_before_kib"]) / 1024
    house.add(f"left after {CALLS} calls were hung up", left, "MiB", most=1)
    options = house.churn(1, far=["options=20000"])
    grown = options["rss_up_kib"] - options["rss_before_kib"]
    house.add("a finished transaction (OPTIONS)", grown / 20000, "KiB", most=3)
    calls = house.churn(5000)
    grown = calls["rss_up_kib"] - calls["rss_before_kib"]
    house.add("a finished call (INVITE and BYE)", grown / 5000, "KiB", most=6)


def idle(house):
    with house.start([house.program("answer")], FAR) as registrar:
        port = registrar.line(10).split()[1]
        began = time.monotonic()
        process, _ = house.host(f"registrar=127.0.0.1:{port}", "accounts=1", "audio=none", "calls=64")
        with process:
            process.line(10)
            house.add("program start to registered", (time.monotonic() - began) * 1000, "ms")
            time.sleep(0.5)
            house.add("a phone, registered and idle, resident", process.rss_kib() / 1024, "MiB", most=4)
            status = open(f"/proc/{process.pid}/status").read()
            own = next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon"))
            house.add("the same, of that not shared with files", int(own) / 1024, "MiB")
