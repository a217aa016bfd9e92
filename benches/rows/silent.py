"""The same calls when the host reads and writes nothing."""

ORDER = 22
CALLS = 1000


def run(house):
    floor = house.floor(CALLS)["us_pair"]
    runs = house.repeat(lambda: house.calls(CALLS, ["audio=none"], ["check=0"]))
    house.add(f"{CALLS} calls, host reads nothing: a pair of frames", [r["us_pair"] for r in runs], "us", "floor", floor)
    house.add("the same, sent", [100 * min(1, r["came"] / (r["expected"] - 2 * CALLS)) for r in runs], "%", least=99.999)
