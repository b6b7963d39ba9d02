"""One agent without a chain, as a real process, for checks under difficult conditions."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from processes import TREE, Trouble, asked, children, until

STATIC = TREE / ".build-cross" / "out" / "zennet-agent-x86_64"
# Exit statuses of zennet-agent(8).
FAULT, SYSTEM, DISK, STORAGE, MEMORY, CONFIGURATION = 70, 71, 73, 74, 75, 78


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def may_mount():
    """Whether this user may mount here: root, and not in a container that forbids it."""
    with tempfile.TemporaryDirectory(prefix="zm-", dir="/tmp") as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "tmpfs", folder], stderr=subprocess.DEVNULL, check=False)
        if mounted.returncode == 0:
            subprocess.run(["umount", folder], check=True)
        return mounted.returncode == 0


class Agent:
    """An agent in its own folder; the end of the `with` block removes both."""

    def __init__(self, program=STATIC, data=None, peers=("127.0.0.1:9",), **settings):
        self.program = Path(program)
        self.folder = Path(tempfile.mkdtemp(prefix="zl-", dir="/tmp"))
        self.data = Path(data) if data else self.folder / "data"
        self.log = self.folder / "log"
        self.process = None
        self.settings = settings
        lines = [f"[agent]\ndata = {self.data}\nbench_ms = 20", "[network]\nname = regtest"]
        lines += [f"peer = {peer}" for peer in peers]
        lines.append("[payout]\naddress = bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080")
        lines.append("[price]\nhour_sat = 1000\n")
        self.configuration = self.folder / "zennet.conf"
        self.configuration.write_text("\n".join(lines))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            child = self.child()
            self.process.kill()
            self.process.wait()
            # It dies with its parent, except on a kernel without prctl.
            if child and is_alive(child):
                os.kill(child, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, *words, environment=None, before=None, wrapper=()):
        """`before` runs in the new process; `wrapper` precedes the program's arguments."""
        command = [*map(str, wrapper), str(self.program), "run", "--config",
                   str(self.configuration), *words]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=before,
                env={**os.environ, **(environment or {})}, start_new_session=True)
        return self

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def lines(self):
        return self.text().splitlines()

    def child(self):
        """The agent itself: the supervisor's child."""
        return next(iter(children(self.process.pid)), None)

    def status(self):
        return asked(self.data / "status")

    def is_ready(self, seconds=15):
        def ready():
            if self.process.poll() is not None:
                raise Trouble(f"ended with {self.process.returncode}: {self.text()[-300:]}")
            return self.status()
        return until("the agent to answer", seconds, ready)

    def says(self, words, seconds=15):
        until(f"'{words}' in the log", seconds, lambda: words in self.text())

    def ends(self, code, *words, seconds=20):
        """Checks that it ends with this status, and that its last line contains these words."""
        try:
            found = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Trouble(f"still runs after {seconds} s: {self.text()[-300:]}") from None
        last = (self.lines() or [""])[-1]
        if found != code or not all(word in last for word in words):
            raise Trouble(f"ended with {found}, not {code}; its last line: {last}")
        return last

    def stop(self, number=signal.SIGTERM, code=0):
        self.process.send_signal(number)
        if (found := self.process.wait(15)) != code:
            raise Trouble(f"{signal.Signals(number).name} ended it with {found}, not {code}")


def play(cases, program):
    """Runs every case: a function of the agent's path, named by its docstring."""
    failed = 0
    for case in cases:
        began = time.monotonic()
        try:
            line = case(program) or ""
            mark = "ok"
        except (Trouble, OSError, subprocess.SubprocessError) as trouble:
            failed, mark, line = failed + 1, "FAILED", str(trouble)
        name = " ".join(case.__doc__.split())
        print(f"  {mark:7} {name} ({time.monotonic() - began:.1f} s) {line}", flush=True)
    return failed


def main(cases):
    program = Path(sys.argv[1]) if len(sys.argv) > 1 else STATIC
    if not program.exists():
        sys.exit(f"no {program}: cross/build x86_64 first")
    sys.exit(1 if play(cases, program) else 0)
