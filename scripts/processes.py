"""Runs other programs as real processes and reads their state from the kernel: for checks and
measurements.

Programs write to a file, never to a pipe that a child could keep open.
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
# A program started in the background ignores interrupts, and so would its children: reset that.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Trouble(Exception):
    """A failed check."""


def until(what, seconds, ready):
    """Waits until `ready` returns a true value, and returns that value."""
    end = time.monotonic() + seconds
    while True:
        answer = ready()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Trouble(f"gave up waiting for {what} after {seconds} s")
        time.sleep(0.02)


def cgroups_of(owner):
    """The existing control groups of this host's leases, each before those of its tasks."""
    found = []
    for base, folders, _ in os.walk("/sys/fs/cgroup"):
        found += [path for path in (f"{base}/{name}" for name in folders) if f"/{owner}." in path]
    return found


def processes_of(folder, owner):
    """Processes with this folder on their command line, or in a task's control group."""
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
        # Zombie, not yet reaped by this host's init.
        if state in "ZX":
            continue
        if str(folder) in line or (owner and f"/{owner}." in groups):
            found.append(f"{entry} {line.strip()[:60]}")
    return found


def children(pid):
    """The children of this process, oldest first; none if it has ended."""
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
    """The status of the agent with this status socket; None if it does not answer."""
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

    # Whether it is killed when this program is. Only if no thread but the first starts programs.
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
        """The agent itself, below its supervisor; None if there is none."""
        return next(iter(children(self.process.pid)), None)

    @property
    def state(self):
        """The process's current state and signals, for diagnosing why it makes no progress."""
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
