"""The floor: a bare loop that only receives and sends the datagrams of the calls."""

ORDER = 10
CALLS = 1000


def run(house):
    for name, shared in (("a socket each", 0), ("4 shared sockets, batched", 4)):
        runs = house.repeat(lambda: house.floor(CALLS, shared))
        house.add(f"{CALLS} calls, {name}: a pair of datagrams", [r["us_pair"] for r in runs], "us")
        house.add(f"{CALLS} calls, {name}: send instants, p99", [r["interval_p99_ms"] for r in runs], "ms")
