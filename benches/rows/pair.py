"""Caller and callee in one process: two phones on the same core, the host reads and writes at both ends."""

import time

from house import Failure

ORDER = 23
CALLS = 500


def run(house):
    floor = house.floor(2 * CALLS)["us_pair"]
    runs = house.repeat(lambda: once(house))
    house.add(f"{CALLS} calls between two phones: a pair of frames", [r[0] for r in runs], "us", "floor", floor)
    house.add("the same, heard whole and in order", [r[1] for r in runs], "%", least=99.999)


def once(house, seconds=3):
    process, _ = house.host(f"pair={CALLS}", f"calls={CALLS + 100}")
    with process:
        process.line(30)
        time.sleep(1.5)
        before, began, cpu = stats(process), time.monotonic(), process.cpu()
        time.sleep(seconds)
        cpu, wall, after = process.cpu() - cpu, time.monotonic() - began, stats(process)
    good, bad = (sum(after[k] - before[k] for k in keys) for keys in (["good"], ["broken", "gaps", "foreign", "silent"]))
    if good < 0.9 * wall * 50 * 2 * CALLS:
        raise Failure(f"only {good} good frames in {wall:.1f} s")
    return cpu / wall / (2 * CALLS) / 50 * 1e6, 100 * good / (good + bad)


def stats(process):
    process.say("stats")
    return process.answer(10)
