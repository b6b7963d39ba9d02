"""The main job's programs as real processes, for checks of what they survive.

One `Scene` is a chain, a machine and a publisher of their own, in a folder of their own; nothing of
it outlives `close`. Every program writes to a file, never to a pipe that a child could keep open.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from functools import partial
from pathlib import Path

from parent import end_with
from ports import free_port

TREE = Path(__file__).resolve().parents[1]
# Whoever started this program in the background had it ignore interrupts, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
COINS_SAT = 1_000_000_000
# Of an hour: enough for payments that follow each other within a second.
HOUR_SAT = 400_000
# What a machine lets a publisher owe whom it does not know: five minutes of its price within these bounds.
RISK_MS, LEAST_RISK_SAT, MOST_RISK_SAT = 300_000, 10, 100
# The least that a channel's first payment is: what an output has to hold.
FIRST_PAYMENT_SAT = 330
# Of a run of one lease on a chain without congestion: announcement with its beacon (619 sat), funding, close.
# Another one of any of them would show.
FEES_SAT = 1_200
# The same of another channel of a lease: its funding and its close.
TOP_UP_FEES_SAT = 450
# Beyond the two programs' own files, nothing may lie in their folders when all is over.
AGENT_FILES = re.compile(r"(seed|lock|status|bundles/[0-9a-f]{64}|(ledger|chain)\.db(-wal|-shm)?)")
PUBLISHER_FILES = re.compile(
    r"(phrase|lock|state|(ledger|chain)\.db(-wal|-shm)?"
    r"|runs/[0-9a-f]{12}/(bundle-\d+\.tar\.zst|options\.json|control|worker-\d+(\.[a-z.]+|/.*)?))")


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
    """Control groups of this machine's jobs that still exist."""
    found = []
    for base, folders, _ in os.walk("/sys/fs/cgroup"):
        found += [f"{base}/{name}" for name in folders if name.startswith(owner + ".")]
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


def risk_sat(hour_sat):
    """What a machine that asks this price lets a publisher owe whom it does not know."""
    return min(max(hour_sat * RISK_MS // 3_600_000, LEAST_RISK_SAT), MOST_RISK_SAT)


def is_running(job):
    """Whether a task of this lease runs now (or stands still), by the agent's status."""
    return job.get("stage") == "open" and job.get("running", 0) > 0


def is_over(job):
    """Whether no coins wait for this lease, by the agent's status: it is closed, or was never funded."""
    return job["stage"] in ("negotiating", "closed") or (
        job["stage"] == "awaiting-funding" and "funding" not in job)


class Scene:
    """A chain with one machine and one publisher.

    `max_loss_sat` is what the publisher may lose beyond the chain's costs: paid ahead of what is owed."""

    block_interval_s = 1

    def __init__(self, folder, bin, hour_sat=HOUR_SAT, max_loss_sat=1_000):
        self.folder, self.bin = Path(folder), Path(bin)
        self.hour_sat, self.max_loss_sat = hour_sat, max_loss_sat
        self.risk_sat = risk_sat(hour_sat)
        self.folder.mkdir(parents=True)
        self.node_port, self.publisher_port = free_port(), free_port()
        self.node = self.agent = self.publisher = None
        # As zennet's --network has it, and as the agent's configuration does.
        self.network = "regtest"
        self.network_lines = f"name = regtest\npeer = 127.0.0.1:{self.node_port}"
        self.identity = ""
        self.jobs = {}  # contract -> the agent's last word of it
        self.most = {}  # contract -> the most that it was owed, and the most that it risked
        self.samples = []  # (seconds, job) of every look
        self.stages = set()
        self.runs = 1
        self.isolate = threading.Event()
        self.mounts = mounts()

    @property
    def owner(self):
        return self.identity[:16]

    def path(self, name):
        return self.folder / name

    def text(self, name):
        try:
            return self.path(name).read_text(errors="replace")
        except OSError:
            return ""

    # The programs

    def zennet(self, *arguments, seconds=90):
        with open(self.path("commands.log"), "ab") as errors:
            done = subprocess.run(
                [str(self.bin / "zennet"), *map(str, arguments)], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=errors, timeout=seconds, check=False)
        if done.returncode != 0:
            raise Trouble(f"zennet {' '.join(map(str, arguments))[:90]}: exit {done.returncode}")
        return done.stdout.decode()

    def devnet(self, *arguments):
        return self.zennet("devnet", *arguments, "--data", self.path("devnet"))

    def start_node(self):
        self.node = Program(
            [self.bin / "zennet", "devnet", "run", "--data", self.path("devnet"), "--port",
             self.node_port, "--block-interval", self.block_interval_s], self.path("devnet.log"))

        def answers():
            if self.node.code is not None:
                raise Trouble(f"the node ended with {self.node.code}")
            try:
                return self.devnet("tip")
            except Trouble:
                return None

        until("the node", 40, answers)

    def prepare(self):
        """A chain, coins for the publisher, an address for the machine's owner."""
        self.start_node()
        wallet = self.new_wallet("publisher")
        self.devnet("faucet", wallet["address"], COINS_SAT)
        self.devnet("mine", 1)
        self.payout_address = self.new_wallet("owner")["address"]
        self.configure("agent")

    def configure(self, name, memory_mib=96, cpus=0.8, disk_mib=64, pids=64):
        """Writes `name`.conf for a machine whose folder is `name`."""
        self.path(f"{name}.conf").write_text(f"""[agent]
data = {self.path(name)}
bench_ms = 60
[network]
{self.network_lines}
[payout]
address = {self.payout_address}
[price]
hour_sat = {self.hour_sat}
[limits]
memory_mib = {memory_mib}
cpus = {cpus}
disk_mib = {disk_mib}
pids = {pids}
""")

    def new_wallet(self, name):
        return json.loads(self.zennet(
            "wallet", "new", "--data", self.path(name), "--network", self.network, "--json"))

    def make_job(self, script):
        job = self.path("job")
        (job / "bin").mkdir(parents=True)
        shutil.copy("/bin/busybox", job / "bin" / "busybox")
        # Does not compress: the transfer takes several messages.
        (job / "noise").write_bytes(os.urandom(1_000_000))
        (job / "job.sh").write_text(script)

    def start_agent(self, fault=None):
        self.agent = Program(
            [self.bin / "zennet-agent", "run", "--config", self.path("agent.conf")],
            self.path("agent.log"), fault, {"ZENNET_SENSORS": str(self.path("sensors"))})

    def agent_is_ready(self):
        until("the machine's report", 60, lambda: (self.status() or {}).get("report"))

    def says(self, log, word):
        return word in self.text(log)

    def start_publisher(self, *options, fault=None, command=("/bin/busybox", "sh", "/job.sh"),
                        log="publisher.log"):
        self.publisher = Program(
            [self.bin / "zennet", "run", "--data", self.path("publisher"), "--network", self.network,
             "--peer", f"127.0.0.1:{self.node_port}", "--listen",
             f"127.0.0.1:{self.publisher_port}", "--workers", 1, "--input", self.path("job"),
             "--memory", 64, "--cpus", 0.8, "--pids", 32, "--disk", 32, "--time", 60,
             "--price-ceiling", 2 * self.hour_sat, "--payout-interval", 200, "--max-loss",
             self.max_loss_sat, "--bid-window", 300, "--results", self.path("results"), *options,
             "--env", "PATH=/bin", "--", *command],
            self.path(log), fault)

    def resume_publisher(self):
        self.publisher = Program(
            [self.bin / "zennet", "resume", "--data", self.path("publisher"), "--network",
             self.network], self.path("publisher.log"))

    # What the machine says

    def status(self):
        """The agent's status, which is kept in mind; nil when it does not answer."""
        status = asked(self.path("agent") / "status")
        if status is None:
            return None
        self.identity = status["identity"]
        for job in status["jobs"]:
            contract = job["contract"]
            self.stages.add(job["stage"])
            if not contract.strip("0"):
                continue
            self.jobs[contract] = job
            owed, risk = self.most.get(contract, (0, 0))
            self.most[contract] = (
                max(owed, job["owed_sat"]), max(risk, job["owed_sat"] - job["paid_sat"]))
            self.samples.append((time.monotonic(), job))
        return status

    def job(self):
        """The machine's word of the first lease that it ever had here; an empty one before that."""
        self.status()
        return next(iter(self.jobs.values()), {})

    def is_settled(self):
        """The publisher's program is done, and the machine has no open lease."""
        status = self.status()
        if status is None or self.publisher.code is None:
            return False
        return all(is_over(job) for job in status["jobs"])

    # What must hold in the end

    def check(self):
        """Everybody's money and everything that may be left; returns the numbers, told in a line."""
        receipt = {"jobs": []}
        if (self.path("publisher") / "runs").exists():
            receipt = json.loads(self.zennet(
                "receipt", "--data", self.path("publisher"), "--network", self.network))
        told, due_sat, paid_sat, channels = [], 0, 0, 0
        theirs = {job["contract"]: job for job in receipt["jobs"]}
        for contract in sorted(set(theirs) | set(self.jobs)):
            hire, job = theirs.get(contract), self.jobs.get(contract)
            owed_sat = max((hire or {}).get("owed_sat", 0), self.most.get(contract, (0, 0))[0])
            signed_sat = (hire or {}).get("paid_sat", 0)
            collected_sat = (job or {}).get("paid_sat", 0)
            name = contract[:8]
            if owed_sat - collected_sat > self.risk_sat:
                raise Trouble(f"{name}: the machine loses {owed_sat - collected_sat} sat")
            top_ups = (hire or {}).get("top_ups", [])
            channels += len(top_ups)
            # A channel's first payment may be more than what is owed.
            ahead_sat = FIRST_PAYMENT_SAT * (1 + len(top_ups)) + self.max_loss_sat
            if signed_sat - owed_sat > ahead_sat:
                raise Trouble(f"{name}: the publisher loses {signed_sat - owed_sat} sat")
            line = f"owed {owed_sat} paid {collected_sat}"
            if collected_sat > 0 or (job or {}).get("close_txid"):
                self.check_closes(name, job)
                paid_sat += collected_sat
                line += " collected"
            elif hire and hire.get("funding_height"):
                due_sat += hire["capacity_sat"]
                line += f" refund of {hire['capacity_sat']} due at the channel's expiry"
            told.append(line + " " + (job or hire or {}).get("exit", "-"))
        balance = json.loads(self.zennet(
            "wallet", "balance", "--json", "--data", self.path("publisher"), "--network",
            self.network, "--peer", f"127.0.0.1:{self.node_port}"))
        gone_sat = COINS_SAT - balance["total_sat"] - paid_sat - due_sat
        if not 0 <= gone_sat <= FEES_SAT * self.runs + TOP_UP_FEES_SAT * channels:
            raise Trouble(f"the publisher misses {gone_sat} sat")
        self.check_leftovers()
        return "; ".join(told or ["no contract"]) + f"; fees {gone_sat}"

    def check_closes(self, name, job):
        """What was paid is the owner's, on the chain, to the sat: fees are the publisher's."""
        payout_sat = 0
        for channel in (job, *job.get("top_ups", [])):
            if "close_txid" not in channel:
                raise Trouble(f"{name}: paid {job['paid_sat']} sat, stage {job['stage']}, no close")
            close = json.loads(self.devnet("tx", channel["close_txid"]))
            if close.get("height") is None:
                raise Trouble(f"{name}: the close is in no block")
            payout_sat += sum(
                output["amountSat"] for output in close["outputs"]
                if output.get("address") == self.payout_address)
        if not payout_sat == job["payout_sat"] == job["paid_sat"]:
            raise Trouble(
                f"{name}: {job['paid_sat']} sat paid, {job['payout_sat']} sat told, {payout_sat} sat"
                " on the chain")

    def check_leftovers(self):
        """Ends the agent; then nothing of its jobs may exist."""
        code = self.agent.stop()
        if code != 0:
            raise Trouble(f"the agent ended with {code}")
        self.node.stop()
        for what, left in [
            ("cgroups", cgroups_of(self.owner)),
            ("processes", processes_of(self.folder, self.owner)),
            ("mounts", [m for m in mounts() - self.mounts if "cgroup" not in m]),
            ("files of the machine", self.strangers("agent", AGENT_FILES)),
            ("files of the publisher", self.strangers("publisher", PUBLISHER_FILES)),
        ]:
            if left:
                raise Trouble(f"{what} are left: {', '.join(left[:5])}")

    def strangers(self, name, known):
        base = self.path(name)
        return [
            str(file.relative_to(base)) for file in sorted(base.rglob("*"))
            if not file.is_dir() and not known.fullmatch(str(file.relative_to(base)))
        ]

    def close(self):
        for program in (self.publisher, self.agent, self.node):
            if program is not None and program.code is None:
                program.kill()
