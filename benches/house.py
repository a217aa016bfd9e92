"""What the rows of the benchmark stand on: pinned processes, runs that are repeated, the table, the kept figures."""

import contextlib
import json
import math
import os
import pathlib
import select
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
MEASURED, FAR = 1, 0  # cores
PRIORITY = 20
# Of a second in which a real-time class takes nearly all of a core, the kernel keeps 50 ms from it, all at once: -1 lets it be.
PAUSES = pathlib.Path("/proc/sys/kernel/sched_rt_runtime_us")


class Failure(Exception):
    """A row came to nothing; the others go on."""


class Skip(Exception):
    """What a row needs is not here."""


class Process:
    """A program on one core, with a limit to everything that is waited for."""

    def __init__(self, house, words, core, log=None, quiet=False):
        self.name = pathlib.Path(words[0]).name
        self.log_path = house.out / f"{log or self.name}.log"
        self.log = open(self.log_path, "ab")
        self.child = subprocess.Popen(
            [str(w) for w in words],
            stdin=subprocess.PIPE,
            stdout=self.log if quiet else subprocess.PIPE,
            stderr=self.log,
            start_new_session=True,
            preexec_fn=lambda: house.settle(core),
        )
        self.pid = self.child.pid
        self.rest = b""

    def line(self, patience):
        deadline = time.monotonic() + patience
        while b"\n" not in self.rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.child.stdout], [], [], left)[0]:
                raise Failure(f"{self.name} said nothing for {patience} s (see {self.log_path})")
            data = os.read(self.child.stdout.fileno(), 65536)
            if not data:
                self.child.wait(5)
                if self.child.returncode == 77:
                    raise Skip("the library does not have it yet")
                raise Failure(f"{self.name} ended with {self.child.returncode} (see {self.log_path})")
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode(errors="replace")

    def answer(self, patience):
        """The next line of JSON."""
        deadline = time.monotonic() + patience
        while True:
            line = self.line(max(0.1, deadline - time.monotonic()))
            if line.startswith("{"):
                return json.loads(line)

    def say(self, text):
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.write(text.encode() + b"\n")
            self.child.stdin.flush()

    def cpu(self):
        """CPU seconds of all its threads, by the scheduler's accounting."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def rss_kib(self):
        pages = int(pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // 1024

    def alive(self):
        return self.child.poll() is None

    def stop(self, patience=15):
        with contextlib.suppress(OSError):
            self.child.stdin.close()
        try:
            self.child.wait(patience)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        if self.child.stdout:
            self.child.stdout.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Figures:
    """The runs of one figure: median and spread."""

    def __init__(self, values):
        self.values = sorted(values)
        self.median = statistics.median(self.values)

    @property
    def low(self):
        return self.values[0]

    @property
    def high(self):
        return self.values[-1]


class House:
    def __init__(self, build, runs, keep, ordinary):
        self.build, self.runs, self.keep = pathlib.Path(build).resolve(), runs, keep
        self.out = self.build / "bench"
        self.out.mkdir(parents=True, exist_ok=True)
        self.results, self.series, self.memory, self.notes = [], [], {}, []
        self.row = ""
        self.kept_path = HERE / "figures.json"
        self.kept_figures = json.loads(self.kept_path.read_text()) if self.kept_path.exists() else {}
        self.cores = len(os.sched_getaffinity(0))
        self.realtime = not ordinary and self._may_be_realtime()
        self.scheduling = "SCHED_FIFO" if self.realtime else "SCHED_OTHER"

    # ---- processes

    @staticmethod
    def _may_be_realtime():
        policy, param = os.sched_getscheduler(0), os.sched_getparam(0)
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
            os.sched_setscheduler(0, policy, param)
            return True
        except OSError:
            return False

    def settle(self, core):
        """In the child: its core, and a class in which other programs of this machine do not count."""
        os.sched_setaffinity(0, {core if self.cores > 1 else 0})
        if self.realtime:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))

    @contextlib.contextmanager
    def unpaused(self):
        """A core that is full for a second is not stopped for it meanwhile; the machine's setting is put back."""
        before = None
        if self.realtime:
            with contextlib.suppress(OSError):
                before = PAUSES.read_text()
                PAUSES.write_text("-1")
                self.scheduling += " without pauses"
        try:
            yield
        finally:
            if before:
                with contextlib.suppress(OSError):
                    PAUSES.write_text(before)

    def program(self, name):
        path = self.out / name
        if not path.exists():
            raise Failure(f"{path} is not built; `make bench` does it")
        return path

    def start(self, words, core, **options):
        return Process(self, words, core, **options)

    def host(self, *words):
        """The measured program; answers the process and `address:port`."""
        process = self.start([self.program("host"), *words], MEASURED)
        try:
            _, _, address = process.line(20).split()
        except BaseException:
            process.stop(2)
            raise
        return process, address

    # ---- measuring

    def calls(self, count, host=(), far=(), window=3, settle=1, rate=1000, watch=contextlib.nullcontext):
        """So many calls into our host; the far side's figures, the host's under `host`. `watch(process)` lasts as long."""
        process, address = self.host(f"calls={count + 100}", *host)
        with process, watch(process):
            figures = self.far_calls(count, address, process.pid, far, window, settle, rate)
            process.say("quit")
            figures["host"] = process.answer(20)
        return figures

    def far_calls(self, count, address, pid, far=(), window=3, settle=1, rate=1000):
        words = [self.program("far"), f"to={address}", f"pid={pid}", f"calls={count}", f"window={window}"]
        with self.start([*words, f"settle={settle}", f"rate={rate}", *far], FAR) as load:
            figures = load.answer(60 + window + settle + 3 * count / rate)
        return self._per_pair(figures, count)

    def floor(self, count, shared=0, window=3, uring=0):
        """The bare loop with as many calls; as `calls`."""
        ports = self.out / "floor-ports.txt"
        words = [self.program("far"), f"ports={ports}", f"calls={count}", f"window={window}", "settle=1"]
        with self.start(words, FAR) as load:
            port = load.line(10).split()[1]
            words = [self.program("floor"), f"calls={count}", f"shared={shared}", f"uring={uring}"]
            words += [f"far_port={port}", f"ports={ports}"]
            with self.start(words, MEASURED) as loop:
                loop.line(10)
                load.say(str(loop.pid))
                figures = load.answer(30 + window)
                loop.say("quit")
        return self._per_pair(figures, count)

    @staticmethod
    def _per_pair(figures, count):
        if figures["up"] != count:
            raise Failure(f"only {figures['up']} of {count} calls came up")
        figures["core"] = (figures["cpu_s"] + figures["softirq_s"]) / figures["seconds"]
        figures["us_pair"] = figures["core"] / count / 50 * 1e6
        figures["percent_call"] = figures["core"] / count * 100
        figures["delivered"] = 100 * min(1, figures["good"] / (figures["expected"] - 2 * count))
        return figures

    def churn(self, total, host=(), far=(), across=50):
        """Calls one after the other into our host. `calls` bounds what it remembers of those that ended, too."""
        process, address = self.host("audio=none", "calls=10000", *host)
        with process:
            return self.far_churn(total, address, process.pid, far, across)

    def far_churn(self, total, address, pid, far=(), across=50, patience=60):
        words = [self.program("far"), f"to={address}", f"pid={pid}", f"churn={total}", f"across={across}"]
        with self.start([*words, f"patience={patience}", *far], FAR) as load:
            figures = load.answer(patience + 30)
        if figures["calls"] < total * 0.99:
            raise Failure(f"only {figures['calls']} of {total} calls succeeded")
        figures["per_second"] = figures["calls"] / figures["seconds"]
        figures["ms_call"] = (figures["cpu_s"] + figures["softirq_s"]) / figures["calls"] * 1000
        return figures

    def repeat(self, measure):
        """`runs` times; a list of what each gave."""
        return [measure() for _ in range(self.runs)]

    def once(self, name, measure):
        """What several rows compare with is measured once in a run."""
        if name not in self.memory:
            try:
                self.memory[name] = measure(self)
            except (Skip, Failure) as why:
                self.memory[name] = why
        if isinstance(self.memory[name], Exception):
            raise self.memory[name]
        return self.memory[name]

    # ---- saying

    def say(self, text):
        print(text, flush=True)

    def note(self, text):
        self.say(f"  {text}")
        self.notes.append(f"{self.row}: {text}")

    def add(self, what, values, unit, peer=None, peer_value=None, target=None, most=None, least=None):
        """One line of the table. `values`: one figure or those of several runs; `most`, `least`: the aim, for the figure
        or, if `target` says `ratio`, for the ratio to the peer. Of a peer that was measured in turn with us give all figures:
        the ratio is the median of the pairs', since a machine changes within minutes."""
        figures = Figures(values if isinstance(values, (list, tuple)) else [values])
        ratio = None
        if isinstance(peer_value, (list, tuple)):
            ratio = statistics.median([ours / theirs for ours, theirs in zip(values, peer_value)])
            peer_value = statistics.median(peer_value)
        elif peer_value:
            ratio = figures.median / peer_value
        subject = ratio if target == "ratio" else figures.median
        met = None
        if subject is not None and (most is not None or least is not None):
            met = (most is None or subject <= most) and (least is None or subject >= least)
        aim = "" if most is None and least is None else f"{'<=' if most is not None else '>='} {_short(most if most is not None else least)}"
        if aim and target == "ratio":
            aim += " x"
        self.results.append(
            dict(row=self.row, what=what, figure=figures.median, low=figures.low, high=figures.high, runs=len(figures.values),
                 unit=unit, peer=peer, peer_figure=peer_value, ratio=ratio, aim=aim, met=met)
        )
        spread = f"{_short(figures.low)}-{_short(figures.high)}" if len(figures.values) > 1 else ""
        beside = f"{peer} {_short(peer_value)}" if peer_value is not None else (peer or "")
        verdict = {None: "", True: "met", False: "MISSED"}[met]
        self.say(
            f"{self.row:9} {what:54} {_short(figures.median):>8} {spread:>13} {unit:9} {beside:28} "
            f"{'' if ratio is None else f'{ratio:.2f}':>6} {aim:>9} {verdict}"
        )

    def absent(self, what, why):
        """A line that says why there is no figure."""
        self.results.append(dict(row=self.row, what=what, figure=None, why=str(why)))
        self.say(f"{self.row:9} {what:54} {'-':>8} {'':13} {why}")

    def head(self):
        self.say(
            f"{'row':9} {'what':54} {'median':>8} {'spread':>13} {'unit':9} {'peer in the same run':28} {'ratio':>6} {'aim':>9}"
        )

    def curve(self, name, points):
        """Cost against number: kept for the plot, and the exponent goes into the table."""
        exponent = fit(points)[0]
        self.series.append(dict(name=name, points=points, exponent=exponent, row=self.row))
        return exponent

    def kept(self, name, value):
        """A figure that later runs are compared with: the change in percent, None when it is new."""
        before = self.kept_figures.get(name)
        if self.keep or before is None:
            self.kept_figures[name] = value
        if self.keep:
            self.kept_path.write_text(json.dumps(self.kept_figures, indent=2, sort_keys=True) + "\n")
        return before


def _short(value):
    if value is None:
        return ""
    size = abs(value)
    if size >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if size >= 0.001 or size == 0 else f"{value:.2e}"


def fit(points):
    """Exponent and factor of cost = factor * number ** exponent, least squares in logarithms."""
    xs = [math.log(n) for n, cost in points if cost > 0]
    ys = [math.log(cost) for n, cost in points if cost > 0]
    if len(xs) < 2:
        return 0.0, 0.0
    mx, my = statistics.fmean(xs), statistics.fmean(ys)
    slope = sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / sum((x - mx) ** 2 for x in xs)
    return slope, math.exp(my - slope * mx)


def cpu_model():
    with contextlib.suppress(OSError):
        for line in open("/proc/cpuinfo"):
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown CPU"


def load_average():
    return open("/proc/loadavg").read().split()[0] if sys.platform == "linux" else "?"
