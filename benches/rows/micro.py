"""The small benchmarks of `cargo bench`: codecs, parsing and SRTP beside their own peers."""

import re
import subprocess

from house import HERE, Failure

ORDER = 80


def run(house):
    names = sorted(re.findall(r'\[\[bench\]\]\s*name = "(\w+)"', (HERE.parent / "Cargo.toml").read_text()))
    for name in names:
        done = subprocess.run(
            ["cargo", "bench", "--locked", "-q", "--bench", name], cwd=HERE.parent, capture_output=True, text=True, timeout=1200
        )
        if done.returncode:
            raise Failure(f"cargo bench --bench {name} ended with {done.returncode}: {done.stderr.strip()[-200:]}")
        house.say(f"{house.row:9} cargo bench --bench {name}")
        for line in done.stdout.splitlines():
            if line.strip():
                house.note(line)
