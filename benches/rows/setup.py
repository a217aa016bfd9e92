"""How fast calls are set up: INVITE, 180, 200, ACK, BYE with SDP and an RTP socket; and signalling alone."""

import peers
from house import FAR, MEASURED, Failure, Skip

ORDER = 40
CALLS = 20000


def run(house):
    baresip, sipp = peer(house, peers.baresip_setup), peer(house, peers.sipp_setup)
    runs = house.repeat(lambda: house.churn(CALLS))
    lines(house, "callee with media", runs, sipp, baresip, rate=5000, cost=0.12)
    runs = house.repeat(lambda: house.churn(CALLS, ["refuse=486"], ["refused=1"]))
    lines(house, "callee, refused (INVITE, 180, 486, ACK)", runs, None, None, cost=0.07)
    runs = house.repeat(lambda: as_caller(house))
    lines(house, "caller with media", runs, peer(house, peers.sipp_caller), None, rate=5000, cost=0.12)
    runs = house.repeat(lambda: house.churn(1, far=[f"options={2 * CALLS}"]))
    house.add("OPTIONS answered, CPU of one", [r["ms_call"] * 1000 for r in runs], "us")


def lines(house, name, runs, sipp, baresip, rate=None, cost=None):
    speed, cpu = [r["per_second"] for r in runs], [r["ms_call"] for r in runs]
    for what, them in (("SIPp", sipp), ("baresip", baresip)):
        if isinstance(them, Exception):
            house.absent(f"{name}, against {what}", them)
        elif them:
            house.add(f"{name}: calls a second", speed, "calls/s", what, them["per_second"], least=rate)
            house.add(f"{name}: CPU a call", cpu, "ms", what, them["ms_call"], most=cost)
    if not sipp and not baresip:
        house.add(f"{name}: calls a second", speed, "calls/s", least=rate)
        house.add(f"{name}: CPU a call", cpu, "ms", most=cost)


def peer(house, measure):
    try:
        return house.once(measure.__name__, measure)
    except (Skip, Failure) as why:
        return why


def as_caller(house):
    with house.start([house.program("answer")], FAR) as far:
        port = far.line(10).split()[1]
        words = [house.program("host"), f"dial=127.0.0.1:{port}", f"churn={CALLS}", "across=50", "audio=none", "calls=10000"]
        with house.start(words, MEASURED) as process:
            figures = process.answer(60)
    if figures["failed"] or figures["answered"] != CALLS:
        raise Failure(f"{figures['answered']} of {CALLS} calls were answered, {figures['failed']} failed")
    return dict(per_second=CALLS / figures["dial_s"], ms_call=figures["dial_cpu_s"] / CALLS * 1000)
