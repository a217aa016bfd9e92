"""Parsing the INVITE of benches/data with its SDP, through the C interface: time and instructions."""

import re
import shutil
import subprocess

from house import HERE, MEASURED

ORDER = 60
INVITE = HERE / "data" / "invite.sip"


def run(house):
    runs = house.repeat(lambda: once(house))
    house.add("INVITE with SDP, parsed and freed", [r["ns"] / 1000 for r in runs], "us", most=2)
    if not shutil.which("valgrind"):
        house.absent("the same, instructions", "valgrind is not installed")
        return
    count = (instructions(house, 1500) - instructions(house, 500)) / 1000
    before = house.kept("parse.instructions", round(count))
    house.add("the same, instructions (callgrind)", count, "", "kept figure", before, "ratio", most=1.02)


def once(house):
    with house.start([house.program("parse"), INVITE, "runs=50000"], MEASURED) as process:
        return process.answer(30)


def instructions(house, runs):
    words = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", house.program("parse"), INVITE, f"runs={runs}"]
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=120)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))
