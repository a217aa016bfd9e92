"""Calls at a rate that lasts longer than the timers of their transactions (32 s): nothing refused, memory bounded."""

from house import Failure

ORDER = 41
CALLS = 360000
MOST_CALLS = 300


def run(house):
    process, address = house.host("audio=none", f"calls={MOST_CALLS}")
    with process:
        figures = house.far_churn(CALLS, address, process.pid, patience=180)
    if figures["failed"]:
        raise Failure(f"{figures['failed']} of {CALLS} calls failed")
    grown = (figures["rss_up_kib"] - figures["rss_before_kib"]) / 1024
    house.add(f"callee, {CALLS} calls in a row: calls a second", figures["per_second"], "calls/s", least=5000)
    house.add("the same: CPU a call", figures["ms_call"], "ms", most=0.12)
    house.add(f"the same: memory grown (max_calls {MOST_CALLS})", grown, "MiB")
