#!/usr/bin/env python3
"""Prints a TCP port of 127.0.0.1 that nobody listens on.

It is none of those that the kernel gives to whoever connects: such a one may be taken again, by any
program, between the question and its use.
"""

import random
import socket
from pathlib import Path

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
given = set()


def free_port():
    first = min(int(RANGE.read_text().split()[0]), 65_536)
    lowest = max(1024, first // 2)
    # Not in order: several programs ask at once.
    for port in random.SystemRandom().sample(range(lowest, first), min(first - lowest, 1000)):
        if port in given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        given.add(port)
        return port
    raise OSError(f"no free port from {lowest} to {first}")


if __name__ == "__main__":
    print(free_port())
