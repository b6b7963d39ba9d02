"""Publisher, agent and chain as real programs, for checks of what they survive.

A `Scene` is a chain, providers and a publisher in a folder of its own; `close` removes all of it.
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

# Price per hour: high enough for payments within a second of each other.
HOUR_SAT = 400_000
# A provider's credit for an unknown publisher: five minutes of its price, within these limits.
RISK_MS, LEAST_RISK_SAT, MOST_RISK_SAT = 300_000, 10, 100
# The least first payment of a channel: the dust limit of an output.
FIRST_PAYMENT_SAT = 330
# Chain fees without other transactions: per run an announcement with its beacon (619 sat) and a
# funding; per lease its output of the funding and its close; per further channel a funding and a
# close. The limits are low enough to detect any additional transaction.
RUN_FEES_SAT, LEASE_FEES_SAT, TOP_UP_FEES_SAT = 850, 350, 450
# After the end the programs' folders may contain only these files.
AGENT_FILES = re.compile(r"(seed|lock|status|(ledger|chain)\.db(-wal|-shm)?)")
PUBLISHER_FILES = re.compile(
    r"(phrase|lock|state|(ledger|chain)\.db(-wal|-shm)?"
    r"|runs/[0-9a-f]{12}/(bundles/[0-9a-f]{64}\.tar\.zst|options\.json|control"
    r"|(worker|task)-\d+(\.[a-z.]+|/.*)?))")


def risk_sat(hour_sat):
    """The credit of a provider with this price for an unknown publisher, in sat."""
    return min(max(hour_sat * RISK_MS // 3_600_000, LEAST_RISK_SAT), MOST_RISK_SAT)


def is_running(job):
    """Whether a task of this lease runs (or is frozen), according to the agent's status."""
    return job.get("stage") == "open" and job.get("running", 0) > 0


def is_over(job):
    """Whether no coins are pending for this lease, according to the agent's status: it is closed,
    or was never funded."""
    return job["stage"] in ("negotiating", "closed") or (
        job["stage"] == "awaiting-funding" and "funding" not in job)


class Machine:
    """An agent with its own folder and configuration, `name` and `name`.conf in the scene's
    folder."""

    def __init__(self, scene, name):
        self.scene, self.name = scene, name
        self.program, self.identity = None, ""

    @property
    def folder(self):
        return self.scene.path(self.name)

    @property
    def owner(self):
        """The name prefix of its sandboxes' control groups."""
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
        """The agent's status; None if it does not answer."""
        status = asked(self.folder / "status")
        if status:
            self.identity = status["identity"]
        return status


class Scene:
    """A chain with one publisher and one or more providers."""

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
        # The names for zennet's --network and for the agent's configuration.
        self.network = "regtest"
        self.network_lines = f"name = regtest\npeer = 127.0.0.1:{self.node_port}"
        self.jobs = {}  # contract -> its provider's last report
        self.most = {}  # contract -> the largest amount owed
        self.samples = []  # (seconds, job) of every sample
        self.stages = set()
        self.runs = 1
        self.mounts = mounts()

    @property
    def agent(self):
        """The first provider's program; most scenes have only one."""
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
        """Prepares a chain, coins for the publisher, an address for the owner, and the
        configurations."""
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
        """The balance of the publisher's wallet, without coins in channels."""
        return json.loads(self.zennet(
            "wallet", "balance", "--json", "--data", self.path("publisher"), "--network",
            self.network, "--peer", f"127.0.0.1:{self.node_port}"))["total_sat"]

    def make_job(self, script):
        job = self.path("job")
        (job / "bin").mkdir(parents=True)
        shutil.copy("/bin/busybox", job / "bin" / "busybox")
        # Incompressible, so that the transfer takes several messages.
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

    # Status of the providers

    def status(self):
        """The first provider's status; the reports of all about their leases are recorded. None if
        one does not answer."""
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
        """The provider's report of the first lease in this scene; empty before that."""
        self.status()
        return next(iter(self.jobs.values()), {})

    def is_settled(self):
        """Whether the publisher's program has ended, and no provider has an open lease."""
        if self.status() is None or self.publisher.code is None:
            return False
        return all(is_over(job) for machine in self.machines
                   for job in (machine.status() or {"jobs": [{"stage": "?"}]})["jobs"])

    # Checks at the end

    def check(self):
        """Checks all amounts and everything that may be left over; returns the numbers, in one
        line."""
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
        """Compares one lease's receipt with the provider's last report."""
        owed_sat = max(hire.get("owed_sat", 0), self.most.get(contract, 0))
        lost_sat = owed_sat - job.get("paid_sat", 0)
        if lost_sat > self.risk_sat:
            raise Trouble(f"{contract[:8]}: the machine loses {lost_sat} sat")
        # The provider works first; only a channel's first payment may exceed the amount owed.
        ahead_sat = hire.get("paid_sat", 0) - owed_sat
        if ahead_sat > FIRST_PAYMENT_SAT * (1 + len(hire.get("top_ups", []))):
            raise Trouble(f"{contract[:8]}: the publisher loses {ahead_sat} sat")

    def check_closes(self, name, job):
        """Checks that the owner received the paid amount on the chain, to the sat: the publisher
        pays fees."""
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
        """Ends the agents, and checks that nothing of their tasks is left over."""
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
