"""What the rows about calls that last have in common: cost beside the floor, the straight line, 80 % of the maximum."""

import statistics
import time

from house import Failure, Skip

MIDDLE = 1000
LADDER = [10, 30, 100, 300]
FRAME_CHECKS = ("broken", "foreign", "lost")
SETTLE = 3  # s: what the library learns of a call in its first seconds, its cost later rests on
SPOILT = 0.02  # of the frames: a machine that does other things stalls a run now and then, and concealment follows


def row(house, name, host=(), shared=0, most_ratio=None, peers=(), cheaper_than=None):
    """Cost of a pair of frames with 1,000 calls, floor and library in turn; then the curve; then 80 % of the maximum."""
    floors, costs = [], []
    for _ in range(house.runs):
        floors.append(house.floor(MIDDLE, shared)["us_pair"])
        costs.append(steady(house, MIDDLE, host))
    floor, cost = statistics.median(floors), statistics.median([c["us_pair"] for c in costs])
    house.memory[f"cost {name}"], house.memory[f"floor {name}"] = cost, floor
    house.add(f"{MIDDLE} calls, {name}: a pair of frames", [c["us_pair"] for c in costs], "us", "floor", floors, "ratio", most=most_ratio)
    house.add("the same, part of a core a call", [c["percent_call"] for c in costs], "%", "floor", [f / 200 for f in floors])
    if cheaper_than is not None:
        house.add(f"the same, against {cheaper_than[0]}", cost, "us", cheaper_than[0], cheaper_than[1], "ratio", most=1 / 1.3)
    for peer in peers:
        beside(house, f"the same, against {peer.__name__.replace('_', ' ')}", cost, peer)
    points = [(n, steady(house, n, host)["core"]) for n in LADDER]
    points.append((MIDDLE, cost * 50 * MIDDLE / 1e6))
    points.append(near_the_end(house, name, host, cost))
    house.add(f"exponent of cost, {points[0][0]} to {points[-1][0]} calls", house.curve(name, points), "", most=1.05)
    house.curve(f"floor, {name}", [(MIDDLE, floor * 50 * MIDDLE / 1e6), floor_at(house, points[-1][0], shared)])


def near_the_end(house, name, host, cost):
    """80 % of what one core holds: delivered, send instants, and the maximum that follows from the cost there."""
    count = int(0.8 / (cost * 50 / 1e6) / 100) * 100
    runs = house.repeat(lambda: house.calls(count, host, window=4, settle=SETTLE))
    house.add(f"calls that a core holds, {name}", [count / r["core"] for r in runs], "calls", *same_floor(house, name))
    house.add(f"{count} calls (80 %): delivered", [min(r["delivered"], delivered_in(r)) for r in runs], "%", least=99.999)
    for what, key, most in (("p50", "interval_p50_ms", 0.2), ("p99", "interval_p99_ms", 1), ("max", "interval_max_ms", None)):
        house.add(f"{count} calls: send instants off by, {what}", [r[key] for r in runs], "ms", most=most)
    worst = max(r["far_late_max_ms"] for r in runs)
    if worst > 20:
        house.note(f"the far side itself was late by up to {worst:.0f} ms: the machine does other things, and frames were concealed for it")
    if max(r["far_cpu_s"] / r["seconds"] for r in runs) > 0.9:
        house.note("the far side was busy for more than 90 % of its core: its own lateness may be in these figures")
    return count, statistics.median(r["core"] for r in runs)


def same_floor(house, name):
    floor = house.memory.get(f"floor {name}")
    return ("floor", 1e6 / 50 / floor) if floor else ()


def floor_at(house, count, shared):
    return count, house.floor(count, shared)["core"]


def delivered_in(figures):
    """Of the frames that the host heard between its first and its last, those that were whole and in order."""
    host = figures["host"]
    wrong = host["broken"] + host["gaps"] + host["foreign"]
    return 100 * host["good"] / (host["good"] + wrong) if host["good"] else 0


def steady(house, count, host, tries=3):
    """A run in which both ends heard the other; a busy machine may spoil some, which is said."""
    for left in reversed(range(tries)):
        try:
            return checked(house.calls(count, host, settle=SETTLE), f"{count} calls")
        except Failure as why:
            if not left:
                raise
            house.note(f"a run is not counted: {why}")


def checked(figures, what):
    """Both ends must have heard the other's very samples, or the cost means nothing. (What was delivered at 80 % of the
    maximum is a line of its own, and strict.)"""
    bad = [f"{k} {figures[k]}" for k in FRAME_CHECKS if figures[k] > figures["expected"] * SPOILT]
    bad += [f"the host's {k} {figures['host'][k]}" for k in ("broken", "foreign") if figures["host"][k] > figures["expected"] * SPOILT]
    if bad or figures["delivered"] < 100 * (1 - SPOILT):
        raise Failure(f"{what}: {figures['delivered']:.2f} % delivered, {', '.join(bad) or 'nothing else wrong'}")
    return figures


def beside(house, what, cost, peer):
    """`peer(house)` answers microseconds a pair; it may be absent."""
    try:
        house.add(what, cost, "us", peer.__name__.replace("_", " "), house.once(peer.__name__, peer))
    except (Skip, Failure) as why:
        house.absent(what, why)


def between(house, count, host=(), seconds=3):
    """Calls between two phones in one process: microseconds of CPU a pair of frames, and percent heard whole."""
    process, _ = house.host(f"pair={count}", f"calls={count + 100}", *host)
    with process:
        process.line(30)
        time.sleep(1.5)
        before, began, cpu = order(process), time.monotonic(), process.cpu()
        time.sleep(seconds)
        cpu, wall, after = process.cpu() - cpu, time.monotonic() - began, order(process)
    good, bad = (sum(after[k] - before[k] for k in keys) for keys in (["good"], ["broken", "gaps", "foreign", "silent"]))
    if good < 0.9 * wall * 50 * 2 * count:
        raise Failure(f"only {good} good frames in {wall:.1f} s")
    return cpu / wall / (2 * count) / 50 * 1e6, 100 * good / (good + bad)


def order(process):
    process.say("stats")
    return process.answer(10)
