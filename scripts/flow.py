"""The main job's programs, for checks of what they survive.

One `Scene` is a chain, machines and a publisher of their own, in a folder of their own; nothing of it outlives
`close`.
"""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from ports import free_port
from processes import Program, Trouble, asked, cgroups_of, mounts, processes_of, until

# Of an hour: enough for payments that follow each other within a second.
HOUR_SAT = 400_000
# What a machine lets a publisher owe whom it does not know: five minutes of its price within these bounds.
RISK_MS, LEAST_RISK_SAT, MOST_RISK_SAT = 300_000, 10, 100
# The least that a channel's first payment is: what an output has to hold.
FIRST_PAYMENT_SAT = 330
# What the chain costs where nobody else uses it: an announcement with its beacon (619 sat) and a funding; of
# each lease its output of the funding and its close; of each further channel a funding and a close. Another
# transaction of any kind would show.
RUN_FEES_SAT, LEASE_FEES_SAT, TOP_UP_FEES_SAT = 850, 350, 450
# Beyond the two programs' own files, nothing may lie in their folders when all is over.
AGENT_FILES = re.compile(r"(seed|lock|status|(ledger|chain)\.db(-wal|-shm)?)")
PUBLISHER_FILES = re.compile(
    r"(phrase|lock|state|(ledger|chain)\.db(-wal|-shm)?"
    r"|runs/[0-9a-f]{12}/(bundles/[0-9a-f]{64}\.tar\.zst|options\.json|control"
    r"|(worker|task)-\d+(\.[a-z.]+|/.*)?))")


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


class Machine:
    """An agent with a folder and a configuration of its own, `name` and `name`.conf in the scene's."""

    def __init__(self, scene, name):
        self.scene, self.name = scene, name
        self.program, self.identity = None, ""

    @property
    def folder(self):
        return self.scene.path(self.name)

    @property
    def owner(self):
        """How its sandboxes' control groups are called."""
        return self.identity[:16]

    def configure(self, memory_mib=96, cpus=0.8, disk_mib=64, pids=64):
        scene = self.scene
        scene.path(f"{self.name}.conf").write_text(f"""[agent]
data = {self.folder}
bench_ms = 60
[network]
{scene.network_lines}
[payout]
address = {scene.payout_address}
[price]
hour_sat = {scene.hour_sat}
[limits]
memory_mib = {memory_mib}
cpus = {cpus}
disk_mib = {disk_mib}
pids = {pids}
""")

    def start(self, fault=None):
        scene = self.scene
        self.program = Program(
            [scene.agent_file, "run", "--config", scene.path(f"{self.name}.conf")],
            scene.path(f"{self.name}.log"), fault,
            {"ZENNET_SENSORS": str(scene.path("sensors"))} | scene.agent_environment)

    def status(self):
        """What it says of itself; None when it does not answer."""
        status = asked(self.folder / "status")
        if status:
            self.identity = status["identity"]
        return status


class Scene:
    """A chain with one publisher and one machine, or with several."""

    block_interval_s = 1
    coins_sat = 1_000_000_000
    machine_names = ("agent",)
    agent_environment = {}

    def __init__(self, folder, bin, hour_sat=HOUR_SAT):
        self.folder, self.bin = Path(folder), Path(bin)
        self.agent_file = self.bin / "zennet-agent"
        self.hour_sat, self.risk_sat = hour_sat, risk_sat(hour_sat)
        self.folder.mkdir(parents=True)
        self.node_port, self.publisher_port = free_port(), free_port()
        self.node = self.publisher = None
        self.machines = [Machine(self, name) for name in self.machine_names]
        # As zennet's --network has it, and as the agent's configuration does.
        self.network = "regtest"
        self.network_lines = f"name = regtest\npeer = 127.0.0.1:{self.node_port}"
        self.jobs = {}  # contract -> its machine's last word of it
        self.most = {}  # contract -> the most that was owed
        self.samples = []  # (seconds, job) of every look
        self.stages = set()
        self.runs = 1
        self.mounts = mounts()

    @property
    def agent(self):
        """The first machine's program, which most scenes have alone."""
        return self.machines[0].program

    @property
    def owner(self):
        return self.machines[0].owner

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

    def prepare(self, **limits):
        """A chain, coins for the publisher, an address for the machines' owner, their configurations."""
        self.start_node()
        wallet = self.new_wallet("publisher")
        self.devnet("faucet", wallet["address"], self.coins_sat)
        self.devnet("mine", 1)
        self.payout_address = self.new_wallet("owner")["address"]
        for machine in self.machines:
            machine.configure(**limits)

    def new_wallet(self, name):
        return json.loads(self.zennet(
            "wallet", "new", "--data", self.path(name), "--network", self.network, "--json"))

    def balance_sat(self):
        """What the publisher's wallet holds, coins in channels apart."""
        return json.loads(self.zennet(
            "wallet", "balance", "--json", "--data", self.path("publisher"), "--network",
            self.network, "--peer", f"127.0.0.1:{self.node_port}"))["total_sat"]

    def make_job(self, script):
        job = self.path("job")
        (job / "bin").mkdir(parents=True)
        shutil.copy("/bin/busybox", job / "bin" / "busybox")
        # Does not compress: the transfer takes several messages.
        (job / "noise").write_bytes(os.urandom(1_000_000))
        (job / "job.sh").write_text(script)

    def start_agent(self, fault=None):
        self.machines[0].start(fault)

    def agent_is_ready(self):
        until("the machines' reports", 60, lambda: all(
            (machine.status() or {}).get("report") for machine in self.machines))

    def says(self, log, word):
        return word in self.text(log)

    def start_publisher(self, *options, fault=None, command=("/bin/busybox", "sh", "/job.sh"),
                        log="publisher.log"):
        self.publisher = Program(
            [self.bin / "zennet", "run", "--data", self.path("publisher"), "--network", self.network,
             "--peer", f"127.0.0.1:{self.node_port}", "--listen",
             f"127.0.0.1:{self.publisher_port}", "--workers", 1, "--input", self.path("job"),
             "--memory", 64, "--cpus", 0.8, "--pids", 32, "--disk", 32, "--time", 60,
             "--price-ceiling", 2 * self.hour_sat, "--payout-interval", 200, "--bid-window", 300,
             "--results", self.path("results"), *options, "--env", "PATH=/bin", "--", *command],
            self.path(log), fault)

    def resume_publisher(self):
        self.publisher = Program(
            [self.bin / "zennet", "resume", "--data", self.path("publisher"), "--network",
             self.network], self.path("publisher.log"))

    # What the machines say

    def status(self):
        """The first machine's status; what all of them say of their leases is kept in mind. None when one
        does not answer."""
        statuses = [machine.status() for machine in self.machines]
        for job in [job for status in statuses if status for job in status["jobs"]]:
            contract = job["contract"]
            self.stages.add(job["stage"])
            if not contract.strip("0"):
                continue
            self.jobs[contract] = job
            self.most[contract] = max(self.most.get(contract, 0), job["owed_sat"])
            self.samples.append((time.monotonic(), job))
        return statuses[0] if all(statuses) else None

    def job(self):
        """The machine's word of the first lease that it ever had here; an empty one before that."""
        self.status()
        return next(iter(self.jobs.values()), {})

    def is_settled(self):
        """The publisher's program is done, and the machines have no open lease."""
        if self.status() is None or self.publisher.code is None:
            return False
        return all(is_over(job) for machine in self.machines
                   for job in (machine.status() or {"jobs": [{"stage": "?"}]})["jobs"])

    # What must hold in the end

    def check(self):
        """Everybody's money and everything that may be left; returns the numbers, told in a line."""
        receipt = {"jobs": []}
        if (self.path("publisher") / "runs").exists():
            receipt = json.loads(self.zennet(
                "receipt", "--data", self.path("publisher"), "--network", self.network))
        told, due_sat, paid_sat = [], 0, 0
        most_sat = RUN_FEES_SAT * self.runs
        theirs = {job["contract"]: job for job in receipt["jobs"]}
        for contract in sorted(set(theirs) | set(self.jobs)):
            hire, job = theirs.get(contract, {}), self.jobs.get(contract, {})
            self.check_losses(contract, hire, job)
            most_sat += LEASE_FEES_SAT + TOP_UP_FEES_SAT * len(hire.get("top_ups", []))
            line = f"owed {hire.get('owed_sat', 0)} paid {job.get('paid_sat', 0)}"
            if job.get("paid_sat", 0) > 0 or "close_txid" in job:
                self.check_closes(contract[:8], job)
                paid_sat += job["paid_sat"]
                line += " collected"
            elif hire.get("funding_height"):
                due_sat += hire["capacity_sat"]
                line += f" refund of {hire['capacity_sat']} due at the channel's expiry"
            told.append(line + " " + (job or hire).get("exit", "-"))
        gone_sat = self.coins_sat - self.balance_sat() - paid_sat - due_sat
        if not 0 <= gone_sat <= most_sat:
            raise Trouble(f"the publisher misses {gone_sat} sat")
        self.check_leftovers()
        return "; ".join(told or ["no contract"]) + f"; fees {gone_sat}"

    def check_losses(self, contract, hire, job):
        """Of one lease, by the publisher's receipt and the machine's last word."""
        owed_sat = max(hire.get("owed_sat", 0), self.most.get(contract, 0))
        lost_sat = owed_sat - job.get("paid_sat", 0)
        if lost_sat > self.risk_sat:
            raise Trouble(f"{contract[:8]}: the machine loses {lost_sat} sat")
        # The machine goes first; only a channel's first payment may be more than what is owed.
        ahead_sat = hire.get("paid_sat", 0) - owed_sat
        if ahead_sat > FIRST_PAYMENT_SAT * (1 + len(hire.get("top_ups", []))):
            raise Trouble(f"{contract[:8]}: the publisher loses {ahead_sat} sat")

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
        """Ends the agents; then nothing of their tasks may exist."""
        for machine in self.machines:
            if (code := machine.program.stop()) != 0:
                raise Trouble(f"{machine.name} ended with {code}")
        self.node.stop()
        for what, left in [
            ("cgroups", [path for machine in self.machines for path in cgroups_of(machine.owner)]),
            ("processes", [line for machine in self.machines
                           for line in processes_of(self.folder, machine.owner)]),
            ("mounts", [m for m in mounts() - self.mounts if "cgroup" not in m]),
            ("files of the machines", [file for machine in self.machines
                                       for file in self.strangers(machine.name, AGENT_FILES)]),
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
        for program in (self.publisher, *(machine.program for machine in self.machines), self.node):
            if program is not None and program.code is None:
                program.kill()
