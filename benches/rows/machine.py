"""The machine itself: a loop whose work is always the same, alone on it. What it loses here, calls lose too."""

from house import MEASURED

ORDER = 5
SECONDS = 10


def run(house):
    runs = house.repeat(lambda: alone(house))
    for what, key, unit in (
        ("a datagram sent to itself and received", "median_us", "us"),
        ("the same in the slowest hundredth", "p99_us", "us"),
        ("time in which it was slower by more than a quarter", "slow_percent", "%"),
        ("the longest such while", "longest_slow_ms", "ms"),
        ("the longest 0.15 ms of work", "longest_bit_ms", "ms"),
    ):
        house.add(f"alone for {SECONDS} s: {what}", [r[key] for r in runs], unit)


def alone(house):
    with house.start([house.program("pace"), f"seconds={SECONDS}"], MEASURED) as loop:
        return loop.answer(SECONDS + 10)
