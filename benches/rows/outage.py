"""The far side of all calls is away for 60 ms, as when a router fails: how late that makes what we send."""

import carry

ORDER = 26
AWAY_MS = 60


def run(house):
    cost = carry.steady(house, carry.MIDDLE, ())["us_pair"]
    count = int(0.5 / (cost * 50 / 1e6) / 100) * 100
    usual = house.repeat(lambda: latest(house, count))
    away = house.repeat(lambda: latest(house, count, f"away={AWAY_MS}"))
    house.add(f"{count} calls, far side away for {AWAY_MS} ms: send instants off by, max", away, "ms", "never away", usual, most=10)


def latest(house, count, *far):
    return house.calls(count, far=far, window=4, settle=carry.SETTLE)["interval_max_ms"]
