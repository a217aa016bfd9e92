"""Ten minutes at 80 % of the maximum: no late packet, no growth, memory given back. Only when asked for.

The maximum is what the core holds in its slowest while: the clock of a core that is shared with others changes by half."""

import os

import carry
from house import MEASURED

ORDER = 90
ON_DEMAND = True
SECONDS = int(os.environ.get("SOAK_SECONDS", 600))
PLANNED_BY = 10  # measures, some six seconds apart


def run(house):
    for name, host in (("a socket each", []), ("4 shared sockets", ["sockets=4"])):
        costs = [carry.steady(house, carry.MIDDLE, host)["us_pair"] for _ in range(PLANNED_BY)]
        cost = max(costs)
        house.note(f"a pair of frames costs {min(costs):.2f} to {cost:.2f} us on this machine within a minute")
        count = int(0.8 / (cost * 50 / 1e6) / 100) * 100
        with house.start([house.program("witness")], MEASURED) as witness:
            figures = house.calls(count, host, ["linger=40"], window=SECONDS, settle=5)
            witness.say("enough")
            machine = witness.answer(10)
        house.add(f"{count} calls, {name}, {SECONDS} s: delivered", min(figures["delivered"], carry.delivered_in(figures)), "%", least=99.999)
        house.add(f"{count} calls: send instants off by, p99", figures["interval_p99_ms"], "ms", most=1)
        house.add(f"{count} calls: send instants off by, max", figures["interval_max_ms"], "ms", "an idle witness", machine["max_ms"], most=20)
        house.note(f"the host's thread woke up more than an interval late {figures['host']['late']} times")
        house.note(f"the witness was late by more than 1 ms {machine['over_1ms']} times, by more than 5 ms {machine['over_5ms']}, of {machine['ticks']}")
        house.add(f"{count} calls: grown meanwhile", (figures["rss_up_kib"] - figures["rss_begin_kib"]) / 1024, "MiB", most=1)
        house.add(f"{count} calls: left after hanging up", (figures["rss_after_kib"] - figures["rss_before_kib"]) / 1024, "MiB", most=1)
