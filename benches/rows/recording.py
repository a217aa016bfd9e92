"""Recording: every call into a file of its own, beside the same calls without."""

import shutil

import carry

ORDER = 25
CALLS = 300


def run(house):
    folder = house.out / "recordings"
    plain = carry.steady(house, CALLS, ())["us_pair"]
    try:
        folder.mkdir(exist_ok=True)
        runs = house.repeat(lambda: carry.steady(house, CALLS, [f"record={folder}"])["us_pair"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    house.add(f"{CALLS} calls recorded: a pair of frames", runs, "us", "not recorded", plain)
