"""Ten minutes at 80 % of the maximum: no late packet, no growth, memory given back. Only when asked for.

The maximum is what the core holds in its slowest while: the clock of a core that is shared with others changes by half."""

import os
import pathlib
import statistics
import threading
import time

import carry
from house import MEASURED

ORDER = 90
ON_DEMAND = True
SECONDS = int(os.environ.get("SOAK_SECONDS", 600))
PLANNED_BY = 10  # measures, some six seconds apart
SETTLE = 5
RATE = 200  # calls a second: setting them up takes of the fifth that is left
QUARTER = 0.25
FULL = 0.95
CELL = 0.05  # what the witness puts together


def run(house):
    for name, host in (("a socket each", []), ("4 shared sockets", ["sockets=4"])):
        costs = [carry.steady(house, carry.MIDDLE, host)["us_pair"] for _ in range(PLANNED_BY)]
        cost = max(costs)
        house.note(f"a pair of frames costs {min(costs):.2f} to {cost:.2f} us on this machine within a minute")
        count = int(0.8 / (cost * 50 / 1e6) / 100) * 100
        load = Load(count)
        with house.start([house.program("witness")], MEASURED) as witness:
            figures = house.calls(count, host, ["linger=40"], SECONDS, SETTLE, RATE, watch=load.watch)
            witness.say("enough")
            machine = witness.answer(10)
        house.add(f"{count} calls, {name}, {SECONDS} s: delivered", min(figures["delivered"], carry.delivered_in(figures)), "%", least=99.999)
        house.add(f"{count} calls: send instants off by, p99", figures["interval_p99_ms"], "ms", most=1)
        house.add(f"{count} calls: send instants off by, max", figures["interval_max_ms"], "ms", "the witness", machine["max_ms"], most=20)
        house.note(load.sentence())
        house.note(load.slowness(machine))
        house.note(f"the host's thread woke up more than an interval late {figures['host']['late']} times; the far side was late by up to {figures['far_late_max_ms']:.1f} ms, which is concealed and counts as not delivered")
        house.note(f"the witness was late by more than 1 ms {machine['over_1ms']} times, by more than 5 ms {machine['over_5ms']}, of {machine['ticks']}")
        house.add(f"{count} calls: grown meanwhile", (figures["rss_up_kib"] - figures["rss_begin_kib"]) / 1024, "MiB", most=1)
        house.add(f"{count} calls: left after hanging up", (figures["rss_after_kib"] - figures["rss_before_kib"]) / 1024, "MiB", most=1)


class Load:
    """What the same calls take of the core in each quarter of a second, and what the machine that it is a guest of takes.
    Where that is all of it, the core was too slow for them just then."""

    def __init__(self, count):
        self.begin = count / RATE + SETTLE
        self.ends, self.shares, self.stolen, self.over = [], [], [], threading.Event()

    def watch(self, process):
        self.process = process
        return self

    def __enter__(self):
        self.thread = threading.Thread(target=self.look)
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def look(self):
        start = at = time.monotonic()
        cpu, taken = self.process.cpu(), stolen_s()
        while not self.over.wait(QUARTER) and at - start < self.begin + SECONDS:
            now, spent, lost = time.monotonic(), self.process.cpu(), stolen_s()
            if now - start > self.begin + QUARTER:
                self.ends.append(now)
                self.shares.append((spent - cpu) / (now - at))
                self.stolen.append((lost - taken) / (now - at))
            at, cpu, taken = now, spent, lost

    def full(self):
        """The quarters in which nothing was left."""
        return [n for n, (share, stolen) in enumerate(zip(self.shares, self.stolen)) if share + stolen > FULL]

    def slowness(self, witness):
        """How much slower than by median the witness's work was in each quarter, beside the calls: work that is always the same
        and has nothing to do with them. That alone explains a full quarter where their median share, slower by as much, fills it."""
        begin, took = witness["begin_s"], witness["took_us"]
        usual = statistics.median(t for t in took if t > 0)

        def slower(n):
            first = int((self.ends[n] - QUARTER - begin) / CELL)
            cells = [t for t in took[first : first + round(QUARTER / CELL)] if t > 0]
            return statistics.mean(cells) / usual if cells else 1

        factors, share = [slower(n) for n in range(len(self.ends))], statistics.median(self.shares)
        full = [factors[n] for n in self.full()]
        explained = sum(share * factor > FULL for factor in full)
        return (
            f"the witness's datagram to itself took {usual:.2f} us by median, in the slowest quarter {max(factors):.2f} times that; "
            f"where nothing was left, {min(full, default=1):.2f} to {max(full, default=1):.2f} times, "
            f"which alone fills {explained} of these {len(full)} quarters"
        )

    def sentence(self):
        full = len(self.full())
        return (
            f"in quarters of a second the calls took {100 * min(self.shares):.0f} to {100 * max(self.shares):.0f} % of the core, "
            f"by median {100 * statistics.median(self.shares):.0f} %; the machine's host took {QUARTER * sum(self.stolen):.1f} s in all, "
            f"up to {100 * max(self.stolen):.0f} % of a quarter; nothing was left in {full} of {len(self.shares)}"
        )


def stolen_s():
    """Seconds that the core was ready and the host of this virtual machine did something else (`steal`)."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        words = line.split()
        if words[0] == f"cpu{MEASURED}":
            return int(words[8]) / os.sysconf("SC_CLK_TCK")
    return 0
