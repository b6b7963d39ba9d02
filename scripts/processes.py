"""Other programs as real processes, and what the kernel says of them: for checks and measurements.

Every program writes to a file, never to a pipe that a child could keep open.
"""

import json
import os
import re
import signal
import socket
import subprocess
import time
from functools import partial
from pathlib import Path

from parent import end_with

TREE = Path(__file__).resolve().parents[1]
# Whoever started this program in the background had it ignore interrupts, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Trouble(Exception):
    """Something that must not be."""


def until(what, seconds, ready):
    """Waits until `ready` answers something true, and returns it."""
    end = time.monotonic() + seconds
    while True:
        answer = ready()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Trouble(f"gave up waiting for {what} after {seconds} s")
        time.sleep(0.02)


def cgroups_of(owner):
    """Control groups of this machine's leases, each before those of its tasks, that still exist."""
    found = []
    for base, folders, _ in os.walk("/sys/fs/cgroup"):
        found += [path for path in (f"{base}/{name}" for name in folders) if f"/{owner}." in path]
    return found


def processes_of(folder, owner):
    """Processes that name this folder on their command line, or sit in a job's control group."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            line = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            groups = Path(f"/proc/{entry}/cgroup").read_text()
            state = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        # Dead, and only not waited for by this machine's init.
        if state in "ZX":
            continue
        if str(folder) in line or (owner and f"/{owner}." in groups):
            found.append(f"{entry} {line.strip()[:60]}")
    return found


def children(pid):
    """Processes that this one made, the oldest first; none where it is gone."""
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [int(word) for word in words]


def mounts():
    try:
        return {line.split()[4] for line in open("/proc/self/mountinfo")}
    except OSError:
        return set()


def asked(path):
    """What the agent whose status socket this is says of itself; nil when it does not answer."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            client.connect(str(path))
            client.sendall(b"json\n")
            answer = b""
            while chunk := client.recv(65536):
                answer += chunk
        return json.loads(answer)
    except (OSError, ValueError):
        return None


class Program:
    """A process whose output is a file."""

    # Whether it is killed when this program is. Only where no thread but the first starts any.
    ends_with_parent = False

    def __init__(self, arguments, log, fault=None, more=None):
        environment = dict(os.environ)
        environment.pop("ZENNET_FAULT", None)
        environment.update(more or {})
        if fault:
            environment["ZENNET_FAULT"] = fault
        self.log = log
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                [str(word) for word in arguments], stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, env=environment, start_new_session=True,
                preexec_fn=partial(end_with, os.getpid()) if self.ends_with_parent else None)

    @property
    def code(self):
        return self.process.poll()

    @property
    def child(self):
        """Of an agent's supervisor, the agent proper; None where there is none."""
        return next(iter(children(self.process.pid)), None)

    @property
    def state(self):
        """Where it is just now, and with which signals: for who wonders why it does not go on."""
        told = []
        for name, wanted in (("wchan", ""), ("syscall", ""), ("status", "Sig|Shd|State|Threads")):
            try:
                lines = Path(f"/proc/{self.process.pid}/{name}").read_text().splitlines()
            except OSError:
                continue
            told += [line for line in lines if re.match(wanted, line)]
        return "; ".join(told).replace("\t", " ")

    @property
    def was_killed(self):
        return self.code == -signal.SIGKILL

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=15):
        if self.code is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise Trouble(f"{self.log.name}: does not end on SIGTERM") from None
        return self.code
