"""The floor: a bare loop that only receives and sends the datagrams of the calls."""

ORDER = 10
CALLS = 1000
WAYS = (
    ("a socket each", {}),
    ("4 shared sockets, batched", {"shared": 4}),
    ("a socket each, by io_uring", {"uring": 1}),
    ("a socket each, by io_uring with multishot receives", {"uring": 2}),
)


def run(house):
    for name, how in WAYS:
        if "uring" in how and not has_io_uring():
            continue
        runs = house.repeat(lambda: house.floor(CALLS, **how))
        house.add(f"{CALLS} calls, {name}: a pair of datagrams", [r["us_pair"] for r in runs], "us")
        house.add(f"{CALLS} calls, {name}: send instants, p99", [r["interval_p99_ms"] for r in runs], "ms")


def has_io_uring():
    try:
        return int(open("/proc/sys/kernel/io_uring_disabled").read()) == 0
    except OSError:
        return False
