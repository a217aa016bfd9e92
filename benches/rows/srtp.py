"""SRTP: calls between two phones in one process, encrypted, beside the same in the clear."""

import carry

ORDER = 24
CALLS = 300


def run(house):
    clear = house.once("pair", lambda h: carry.between(h, CALLS)[0])
    runs = house.repeat(lambda: carry.between(house, CALLS, ["srtp=1"]))
    house.add(f"{CALLS} calls with AES_CM_128_HMAC_SHA1_80: a pair of frames", [r[0] for r in runs], "us", "clear", clear)
    house.add("the same, heard whole and in order", [r[1] for r in runs], "%", least=99.999)
