"""Caller and callee in one process: two phones on the same core, the host reads and writes at both ends."""

import statistics

import carry

ORDER = 23
CALLS = 500


def run(house):
    floor = house.floor(2 * CALLS)["us_pair"]
    runs = house.repeat(lambda: carry.between(house, CALLS))
    house.memory["pair"] = statistics.median(r[0] for r in runs)
    house.add(f"{CALLS} calls between two phones: a pair of frames", [r[0] for r in runs], "us", "floor", floor)
    house.add("the same, heard whole and in order", [r[1] for r in runs], "%", least=99.999)
