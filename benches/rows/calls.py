"""G.711 calls of 20 ms two ways, a socket each; the host reads and writes every frame."""

import carry
import peers

ORDER = 20


def run(house):
    carry.row(house, "a socket each", most_ratio=1.4, peers=[peers.baresip_calls, peers.sipp_echo])
