"""Delay: a frame goes to our host, which writes what it reads at once, and comes back."""

import peers
from house import Failure, Skip

ORDER = 70


def run(house):
    try:
        them = house.once("baresip_delay", peers.baresip_delay)
    except (Skip, Failure) as why:
        house.absent("baresip's loop", why)
        them = None
    for what, host, most in (("smallest receive buffer", ["jitter=0"], 11), ("receive buffer as it comes", [], None)):
        runs = house.repeat(lambda: loop(house, host))
        house.add(f"{what}: loop, p50", [r["delay_p50_ms"] for r in runs], "ms", "baresip", them, most=most)
        house.add(f"{what}: loop, p99", [r["delay_p99_ms"] for r in runs], "ms")


def loop(house, host):
    figures = house.calls(1, ["audio=echo", *host], ["loop=1"], window=4)
    if figures["good"] < figures["expected"] * 0.9:
        raise Failure(f"{figures['good']} of {figures['expected']:.0f} frames came back whole")
    return figures
