#!/usr/bin/env python3
"""Runs 10,000 tasks and 200 leases on two providers, and checks that the resources of their
processes and the publisher's are at the end as they were at task 100: memory (PSS, within 100 KiB),
descriptors, control groups, mounts, and the providers' disk usage.

One publisher leases both providers for the whole time. Another repeatedly leases one of them for a
few tasks. Not counted are headers, and on each provider a lease's documents (some KiB each), which
must grow.

Usage: scripts/soak.py [--tasks N] [--leases N] [--bin FOLDER] [--keep FOLDER]
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True

from fleet import Fleet
from processes import TREE, Trouble, cgroups_of, children, until
from static_programs import compile_static

AGENT = TREE / ".build-cross/out/zennet-agent-x86_64"
# Prints a line, and writes a result.
TASK = r"""
#include <stdio.h>
int main(int count, char **words) {
  FILE *file = fopen("/out/result", "w");
  if (!file || count < 2) return 1;
  fprintf(file, "%s\n", words[1]);
  printf("task %s\n", words[1]);
  return fclose(file);
}
"""
LIMITS = ("--memory", 8, "--pids", 4, "--disk", 4, "--cpus", 0.2, "--time", 60)
MACHINES, AT_ONCE = 2, 4
# The first sample, after which everything that is created once exists.
FIRST_TASKS = 100
MEMORY_KIB, DISK_KIB, LEASE_KIB = 100, 100, 8
SECONDS = 3_600


def pss_kib(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise Trouble(f"process {pid} has no smaps_rollup")


def family(pid):
    """A process and its descendants, with their roles."""
    found = [(pid, "")]
    for parent, name in found:
        found += [(child, f"{name}.{place}") for place, child in enumerate(children(parent))]
    return found


def disk_kib(folder):
    """The disk usage of a folder, without headers."""
    return sum(file.stat().st_blocks for file in folder.rglob("*")
               if file.is_file() and not file.name.startswith("chain.db")) // 2


class Look:
    """A sample of all processes' resources."""

    def __init__(self, scene, publisher):
        self.memory, self.counts, self.disk = {}, {}, {}
        parents = [(machine.name, machine.program.process.pid) for machine in scene.machines]
        for name, parent in [*parents, ("publisher", publisher)]:
            for pid, place in family(parent):
                self.memory[name + place] = pss_kib(pid)
                self.counts[f"descriptors of {name}{place}"] = len(os.listdir(f"/proc/{pid}/fd"))
                self.counts[f"mounts of {name}{place}"] = len(
                    Path(f"/proc/{pid}/mountinfo").read_text().splitlines())
        for machine in scene.machines:
            self.counts[f"control groups of {machine.name}"] = len(cgroups_of(machine.owner))
            self.disk[machine.name] = disk_kib(machine.folder)

    def told(self):
        return "PSS in KiB " + ", ".join(f"{name} {kib}" for name, kib in self.memory.items()) + (
            "; disk in KiB " + ", ".join(f"{name} {kib}" for name, kib in self.disk.items()))

    def problems(self, first, leases):
        """The differences from the first sample, so many leases ago."""
        found = [
            f"{what}: {first.counts.get(what)}, then {self.counts.get(what)}"
            for what in sorted(set(first.counts) | set(self.counts))
            if first.counts.get(what) != self.counts.get(what)]
        found += [
            f"memory of {name}: {first.memory[name]}, then {kib} KiB" for name, kib in self.memory.items()
            if name in first.memory and abs(kib - first.memory[name]) > MEMORY_KIB]
        found += [
            f"disk of {name}: {first.disk[name]}, then {kib} KiB" for name, kib in self.disk.items()
            if kib - first.disk[name] > DISK_KIB + LEASE_KIB * leases]
        return found


class Soak:
    def __init__(self, scene, options):
        self.scene, self.options = scene, options
        self.tasks = self.leases = 0

    def start(self):
        scene = self.scene
        programs = scene.path("input") / "bin"
        programs.mkdir(parents=True)
        compile_static(TASK, programs / "task")
        scene.start(memory_mib=96, cpus=os.cpu_count(), disk_mib=96, pids=128)
        wallet = scene.new_wallet("second")
        scene.devnet("faucet", wallet["address"], scene.coins_sat)
        scene.devnet("mine", 1)
        self.long = self.mapping("long", "publisher", MACHINES)
        self.leases = MACHINES

    def mapping(self, name, publisher, workers):
        return self.scene.map(
            "--workers", workers, "--jobs-per-worker", AT_ONCE, *LIMITS, "--input",
            self.scene.path("input"), "--output", self.scene.path(f"{name}.results"), name=name,
            publisher=publisher, command=["/bin/task", "{}"])

    def step(self, count):
        """Runs so many tasks on the long leases, and as many on one that is opened for them."""
        self.long.give(range(self.tasks, self.tasks + count))
        name = f"short{self.leases}"
        short = self.mapping(name, "second", 1)
        short.run(range(count))
        short.finish()
        shutil.rmtree(self.scene.path(f"{name}.results"))
        self.long.take(count)
        self.tasks, self.leases = self.tasks + 2 * count, self.leases + 1

    def look(self):
        """Takes a sample while only the long leases are open, and idle."""
        until("all other leases to be closed", 60, lambda: all(
            sum(job["stage"] != "closed" for job in machine.status()["jobs"]) == 1
            for machine in self.scene.machines))
        time.sleep(5)
        return Look(self.scene, self.long.process.pid)

    def run(self):
        began = time.monotonic()
        count = self.options.tasks // 2 // (self.options.leases - MACHINES)
        while self.tasks < FIRST_TASKS:
            self.step(count)
        first, leases = self.look(), self.leases
        print(f"          {self.tasks} tasks, {self.leases} leases: {first.told()}", flush=True)
        for share in range(1, 6):
            while self.tasks < self.options.tasks * share // 5:
                self.step(count)
            last = self.look()
            print(f"          {self.tasks} tasks, {self.leases} leases, "
                  f"{time.monotonic() - began:.0f} s: {last.told()}", flush=True)
        problems = last.problems(first, self.leases - leases)
        if (seconds := time.monotonic() - began) > SECONDS:
            problems.append(f"it took {seconds:.0f} s")
        if problems:
            raise Trouble("\n            ".join(["", *problems]))
        self.long.finish()
        return f"{self.tasks} tasks and {self.leases} leases in {seconds:.0f} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--leases", type=int, default=200)
    parser.add_argument("--bin", default=TREE / ".build" / "debug", help="where zennet is")
    parser.add_argument("--keep", help="keep the folders here")
    options = parser.parse_args()
    able = subprocess.run([AGENT, "check"], stdout=subprocess.DEVNULL, check=False)
    if os.geteuid() != 0 and able.returncode != 0:
        print("SKIPPED: tasks need root, or user namespaces and a delegated cgroup")
        return 0
    base = Path(options.keep or tempfile.mkdtemp(prefix="zs-", dir="/tmp"))
    scene = Fleet(base / "s", options.bin, MACHINES)
    scene.agent_file = AGENT
    soak = Soak(scene, options)
    try:
        soak.start()
        print(f"  ok      {soak.run()}", flush=True)
    except (Trouble, OSError, ValueError, KeyError, subprocess.SubprocessError) as trouble:
        print(f"  FAILED  after {soak.tasks} tasks and {soak.leases} leases: "
              f"{str(trouble) or repr(trouble)}", flush=True)
        for log in ("machine0.log", "long.log"):
            for line in scene.text(log).splitlines()[-6:]:
                print(f"            {log}: {line}", flush=True)
        return 1
    finally:
        scene.close()
    if not options.keep:
        shutil.rmtree(base, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
