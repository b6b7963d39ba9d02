"""What the parts of the measurement of tasks share: how they speak, and a place with machines to lease."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(TREE / "scripts"), str(TREE / "cross")]

from fleet import Fleet
from static_programs import TRUE, compile_static

AGENT = TREE / ".build-cross/out/zennet-agent-x86_64"
# An ordinary machine's price: payments are as seldom as they would be.
HOUR_SAT = 5_000
# A tenth of a second, without a program that would have to be unpacked.
SLEEP = "#include <unistd.h>\nint main(void) { return usleep(100000); }\n"
# Of one task: it has to fit a machine of 48 MB.
TASK_LIMITS = ("--memory", 8, "--pids", 4, "--disk", 4, "--cpus", 0.2, "--time", 60)


class Missing(Exception):
    """Why a part of the measurement cannot be had."""


def say(text):
    print(f"tasks: {text}", file=sys.stderr, flush=True)


def tell(metric, subject, value, unit):
    row = {"metric": metric, "subject": subject, "value": value, "unit": unit}
    print(json.dumps(row), flush=True)


def call(*command, **options):
    """Runs a command whose words, if any, are for people."""
    done = subprocess.run(
        [str(word) for word in command], cwd=TREE, stdout=options.pop("stdout", sys.stderr),
        check=False, **options)
    if done.returncode != 0:
        raise Missing(f"{' '.join(map(str, command))}: exit {done.returncode}")
    return done


def programs():
    """The folder of the released zennet; the static agent is built, too."""
    call("cross/build", "x86_64")
    call("swift", "build", "-c", "release", "--product", "zennet")
    return Path(call("swift", "build", "-c", "release", "--show-bin-path", text=True,
                     stdout=subprocess.PIPE).stdout.strip())


class Place:
    """A fleet in a folder of its own, and an input with the programs of the tasks; gone after `with`."""

    def __init__(self, folder, bin, count=1, hour_sat=HOUR_SAT):
        self.folder = Path(tempfile.mkdtemp(prefix="fleet-", dir=folder))
        self.fleet = Fleet(self.folder / "s", bin, count, hour_sat=hour_sat)
        self.fleet.agent_file = AGENT
        self.input = self.folder / "input"

    def __enter__(self):
        programs = self.input / "bin"
        programs.mkdir(parents=True)
        compile_static(TRUE, programs / "true")
        compile_static(SLEEP, programs / "sleep")
        return self

    def __exit__(self, *_):
        self.fleet.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, at_once, **limits):
        """`at_once` is how many tasks each machine has to take."""
        self.fleet.start(**({
            "memory_mib": 32 + 16 * at_once, "cpus": os.cpu_count(), "disk_mib": 160,
            "pids": 32 * at_once} | limits))

    def map(self, at_once, *options, command, **more):
        return self.fleet.map(
            "--workers", len(self.fleet.machines), "--jobs-per-worker", at_once, *options,
            command=command, **more)
