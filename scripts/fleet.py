"""Several providers on one chain, and `zennet map` as a program that receives tasks one by one: for
measurements and checks of many tasks.

`zennet map` reads its tasks from a named pipe: a line becomes a task as soon as it is written, and
leases stay open until the pipe is closed. So hiring and execution can be measured separately.
"""

import errno
import json
import os
import select
import subprocess
import threading
import time

from flow import Scene
from processes import Trouble, until


class Fleet(Scene):
    """A scene with providers `machine0`, `machine1` …"""

    def __init__(self, folder, bin, count, **options):
        self.machine_names = tuple(f"machine{number}" for number in range(count))
        super().__init__(folder, bin, **options)
        self.mappings = []

    def start(self, **limits):
        """Starts a chain with coins, and providers that are ready to be hired."""
        self.prepare(**limits)
        for machine in self.machines:
            machine.start()
        self.agent_is_ready()

    def open_leases(self):
        return sum(
            job["stage"] == "open" for machine in self.machines
            for job in (machine.status() or {"jobs": []})["jobs"])

    def map(self, *options, command, name="map", publisher="publisher"):
        """Starts `zennet map`; `publisher` is the folder of its wallet."""
        self.mappings.append(Mapping(self, name, publisher, options, command))
        return self.mappings[-1]

    def close(self):
        for mapping in self.mappings:
            mapping.stop()
        super().close()


class Mapping:
    """A running `zennet map`."""

    def __init__(self, scene, name, publisher, options, command):
        self.scene, self.ended = scene, []
        pipe, log = scene.path(f"{name}.pipe"), scene.path(f"{name}.log")
        os.mkfifo(pipe)
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(
                [str(word) for word in [
                    scene.bin / "zennet", "map", "--data", scene.path(publisher), "--network",
                    scene.network, "--peer", f"127.0.0.1:{scene.node_port}", "--price-ceiling",
                    2 * scene.hour_sat, "--json", "--receipt", scene.path(f"{name}.receipt"), *options,
                    "-a", pipe, "--", *command]],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                start_new_session=True)
        self.log, self.tail = log, b""
        try:
            self.pipe = until("zennet map to read its tasks", 120, lambda: self.opened(pipe))
        except Trouble:
            self.stop()
            raise

    def opened(self, pipe):
        if self.process.poll() is not None:
            raise Trouble(f"zennet map ended with {self.process.returncode}: {self.last_words()}")
        try:
            pipe = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:  # The pipe has no reader yet.
                raise
            return None
        os.set_blocking(pipe, True)
        return os.fdopen(pipe, "wb", buffering=0)

    def last_words(self):
        return self.log.read_text(errors="replace")[-300:].strip()

    def give(self, arguments):
        """Writes tasks, in the background if they exceed the pipe's capacity."""
        data = "".join(f"{argument}\n" for argument in arguments).encode()
        if len(data) <= select.PIPE_BUF:
            self.pipe.write(data)
            return
        threading.Thread(target=self.write, args=(memoryview(data),), daemon=True).start()

    def write(self, data):
        while data:
            data = data[self.pipe.write(data):]

    def take(self, count, seconds=120):
        """Waits until so many tasks have ended; returns their lines."""
        end, taken = time.monotonic() + seconds, []
        while len(taken) < count:
            line = self.line(end)
            told = json.loads(line)
            if "task" in told:
                taken.append(told)
                if (told["exit"], told["exit_status"]) != ("exited", 0):
                    raise Trouble(f"task {told['task']} ended with {told}")
        self.ended += taken
        return taken

    def line(self, end):
        while b"\n" not in self.tail:
            if not select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise Trouble(f"no task ends: {self.last_words()}")
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                raise Trouble(f"zennet map ended with {self.process.wait()}: {self.last_words()}")
            self.tail += piece
        line, self.tail = self.tail.split(b"\n", 1)
        return line

    def run(self, arguments, seconds=120):
        """Writes tasks and waits for all of them."""
        arguments = list(arguments)
        self.give(arguments)
        return self.take(len(arguments), seconds)

    def finish(self, seconds=120):
        """Closes the pipe, waits for the end of the leases, and returns the receipt."""
        self.pipe.close()
        try:
            self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.stop()
            raise Trouble(f"zennet map does not end: {self.last_words()}") from None
        if self.process.returncode != 0:
            raise Trouble(f"zennet map ended with {self.process.returncode}: {self.last_words()}")
        return json.loads(self.scene.text(self.log.name.replace(".log", ".receipt")))

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
