"""The same calls with shared sockets (`voip_config_set_media_sockets`)."""

import carry

ORDER = 21
SOCKETS = 4


def run(house):
    process, _ = house.host(f"sockets={SOCKETS}")  # skips the row when there is no such setting
    process.stop()
    each = house.once("cost a socket each", lambda h: carry.steady(h, carry.MIDDLE, ())["us_pair"])
    carry.row(house, f"{SOCKETS} shared sockets", [f"sockets={SOCKETS}"], SOCKETS, cheaper_than=("a socket each", each))
