"""Phones in one process: how long the start of one takes, and what a hundred cost."""

from house import MEASURED

ORDER = 51
COUNT = 100


def run(house):
    runs = house.repeat(lambda: once(house))
    house.add("start of a phone, the first of the process", [r["first_us"] / 1000 for r in runs], "ms", most=1)
    house.add(f"start of a phone, median of {COUNT}", [r["median_us"] / 1000 for r in runs], "ms", most=1)
    house.add(f"{COUNT} phones: resident for each further one", [r["kib"] for r in runs], "KiB")
    house.add(f"{COUNT} phones: threads for each", [(r["threads"] - 1) / COUNT for r in runs], "")


def once(house):
    with house.start([house.program("phones"), f"count={COUNT}"], MEASURED) as process:
        return process.answer(30)
