#!/usr/bin/env python3
"""Prints an unused TCP port of 127.0.0.1.

The port is outside of the kernel's range for outgoing connections, whose ports any program could
take between this call and the port's use.
"""

import random
import socket
from pathlib import Path

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
given = set()


def free_port():
    first = min(int(RANGE.read_text().split()[0]), 65_536)
    lowest = max(1024, first // 2)
    # In random order, because several programs may ask at once.
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
