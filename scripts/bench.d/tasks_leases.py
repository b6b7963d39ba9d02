"""What only leases have: many tasks on machines that are hired once (see scripts/bench.d/tasks)."""

import json
import os
import re
import select
import shutil
import socket
import statistics
import subprocess
import threading
import time
from pathlib import Path

from tasks_common import TASK_LIMITS, Missing, Place, call, say, tell

from processes import until
from static_programs import compile_static
from tasks_rivals import AT_ONCE

MACHINES, SLEEPS, SLEEP_S = 4, 1_000, 0.1
BASE_BYTES, INPUTS, INPUT_BYTES = 50 << 20, 200, 10 << 10
WHOLE_BUNDLES = 4
LEASES, IDLE_SECONDS = 1_000, 60
HELLO = '#include <unistd.h>\nint main(void) { return write(1, "hello\\n", 6) != 6; }\n'
FIRST_OUTPUTS = 5


def thousand(folder, bin):
    """A task is given to whoever is free: what comes between two sleeps is what is measured."""
    at_once = 1
    places = MACHINES * at_once
    with Place(folder, bin, MACHINES) as place:
        place.start(at_once)
        began = time.monotonic()
        mapping = place.map(
            at_once, *TASK_LIMITS, "--input", place.input, command=["/bin/sleep"])
        until("all leases", 120, lambda: place.fleet.open_leases() == MACHINES)
        hiring = time.monotonic() - began
        mapping.run(range(2 * places))
        began = time.monotonic()
        told = mapping.run(range(SLEEPS), 600)
        seconds = time.monotonic() - began
        mapping.finish()
    by_worker = sorted(sum(task["worker"] == worker for task in told) for worker in range(MACHINES))
    say(f"{places} places on {MACHINES} machines; tasks of each: {by_worker}; hiring took {hiring:.2f} s")
    tell("thousand_tasks", "zennet", seconds, "s")
    tell("thousand_tasks", "ideal", SLEEPS * SLEEP_S / places, "s")
    tell("thousand_tasks_hiring", "zennet", hiring, "s")


class Counter:
    """Passes connections on to a port, and counts the bytes of both ways."""

    def __init__(self, target):
        self.target, self.count = target, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                caller, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.passed, args=(caller,), daemon=True).start()

    def passed(self, caller):
        with caller, socket.create_connection(("127.0.0.1", self.target)) as called:
            other = {caller: called, called: caller}
            while True:
                for end in select.select(list(other), [], [])[0]:
                    try:
                        data = end.recv(1 << 18)
                        other[end].sendall(data)
                    except OSError:
                        return
                    if not data:
                        return
                    self.count += len(data)

    def close(self):
        self.listener.close()


def bytes_moved(folder, bin):
    """What 200 tasks on one lease have sent to them, counted on the wire."""
    with Place(folder, bin) as place:
        place.start(1, memory_mib=512, disk_mib=256)
        layered = place.folder / "inputs"
        for number in range(INPUTS):
            (layered / str(number)).mkdir(parents=True)
            (layered / str(number) / "part").write_bytes(os.urandom(INPUT_BYTES))
        (place.input / "base").write_bytes(os.urandom(BASE_BYTES))
        whole = place.folder / "whole"
        for number in range(WHOLE_BUNDLES):
            shutil.copytree(place.input, whole / str(number))
            shutil.copy(layered / str(number) / "part", whole / str(number))
        limits = ("--memory", 160, "--pids", 4, "--disk", 96, "--cpus", 0.5, "--time", 60)
        moved = {}
        for name, count, options in (
            ("zennet", INPUTS, ("--input", place.input, "--task-input", f"{layered}/{{}}")),
            ("without_layers", WHOLE_BUNDLES, ("--task-input", f"{whole}/{{}}")),
        ):
            counter = Counter(place.fleet.publisher_port)
            mapping = place.map(
                1, *limits, *options, "--listen", f"127.0.0.1:{place.fleet.publisher_port}",
                "--announce", f"127.0.0.1:{counter.port}", command=["/bin/true"], name=name)
            mapping.run(range(count), 600)
            mapping.finish()
            counter.close()
            moved[name] = counter.count * INPUTS / count / (1 << 20)
        say(f"without layers: {WHOLE_BUNDLES} whole bundles were sent, the row is of {INPUTS}")
    for name, value in moved.items():
        tell("bundle_bytes_moved", name, value, "MiB")


def publisher(folder, bin):
    """A publisher at rest with a thousand machines, which are simulated, over real sockets."""
    call("swift", "build", "-c", "release", "--product", "zennet-bench")
    with Place(folder, bin, 0) as place:
        place.start(0)
        fleet = place.fleet
        listen = f"127.0.0.1:{fleet.publisher_port}"
        mapping = fleet.map(
            "--workers", LEASES, *TASK_LIMITS, "--input", place.input, "--listen", listen,
            command=["/bin/true"])
        machines = subprocess.Popen(
            [bin / "zennet-bench", "machines", "--count", str(LEASES), "--publisher", listen,
             "--port", str(fleet.node_port)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            line = machines.stdout.readline()
            if not line or json.loads(line)["leases"] != LEASES:
                raise Missing(f"zennet-bench machines: {line.strip() or 'no line'}")
            time.sleep(10)  # What follows the hiring is not idling.
            pid = mapping.process.pid
            before, began = processor_s(pid), time.monotonic()
            time.sleep(IDLE_SECONDS)
            percent = 100 * (processor_s(pid) - before) / (time.monotonic() - began)
            tell("publisher_rss", "zennet", memory_mib(pid), "MiB")
            tell("publisher_cpu", "zennet", percent, "% of a core")
        finally:
            machines.kill()
            machines.wait()


def processor_s(pid):
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+)", status, re.M)[1]) / 1024


def fees(folder, bin):
    """What the publisher's coins became less by, and did not go to the machine's owner."""
    with Place(folder, bin) as place:
        place.start(AT_ONCE)
        fleet = place.fleet
        for count in (1, 10, 100, 1_000):
            before = fleet.balance_sat()
            mapping = place.map(
                AT_ONCE, *TASK_LIMITS, "--input", place.input, command=["/bin/true"], name=f"map{count}")
            mapping.run(range(count), 600)
            (lease,) = mapping.finish()["jobs"]
            fee_sat = before - fleet.balance_sat() - lease["payout_sat"]
            say(f"{count} tasks: {fee_sat} sat of fees, {lease['payout_sat']} sat to the owner")
            tell("fee_per_task", f"{count} task{'s' * (count > 1)} a lease", fee_sat / count, "sat")


def first_output(folder, bin):
    """The funding is in no block when the job begins."""
    found = []
    with Place(folder, bin) as place:
        compile_static(HELLO, place.input / "bin" / "hello")
        fleet = place.fleet
        fleet.block_interval_s = 30
        place.start(1)
        for _ in range(FIRST_OUTPUTS):
            with subprocess.Popen(
                    [str(word) for word in (
                        bin / "zennet", "run", "--new", "--data", fleet.path("publisher"), "--peer",
                        f"127.0.0.1:{fleet.node_port}", "--input", place.input, *TASK_LIMITS,
                        "--price-ceiling", 2 * fleet.hour_sat, "--bid-window", 300, "--no-wait-close",
                        "--", "/bin/hello")],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
                announced = time_of(run.stderr, b"announced with ")
                found.append(time_of(run.stdout, b"hello") - announced)
                threading.Thread(target=run.stderr.read, daemon=True).start()
                run.wait(120)
    say(f"first output: {min(found) * 1000:.0f} to {max(found) * 1000:.0f} ms")
    tell("first_output", "zennet", statistics.median(found) * 1000, "ms")


def time_of(pipe, words):
    for line in pipe:
        if words in line:
            return time.monotonic()
    raise Missing(f"first output: no line has {words.decode()!r}")
