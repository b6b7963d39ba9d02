"""Completes the demo's receipt and checks it against the chain and the agents' own state.

Called by scripts/demo: demo-receipt.py WORK BEGAN_NS TASKS AGENT…
"""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path


# Least number of payments of a lease: it must be paid while it runs.
LEAST_PAYMENTS = 5


def fail(reason):
    sys.exit(f"demo: {reason}")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main():
    work, began_ns, count, agents = Path(sys.argv[1]), *map(int, sys.argv[2:4]), sys.argv[4:]
    path = work / "receipt.json"
    receipt = json.loads(path.read_text())
    receipt["seconds"] = round((time.time_ns() - began_ns) / 1e9, 3)
    receipt["result_sha256"] = sha256(work / "merged")
    receipt["expected_sha256"] = sha256(work / "expected")
    path.write_text(json.dumps(receipt, indent=2, sort_keys=True) + "\n")

    if receipt["result_sha256"] != receipt["expected_sha256"]:
        fail("the machines counted something else than this one")
    if (work / "merged").stat().st_size == 0:
        fail("nothing was counted")

    # Each agent's own report of its task, to compare with the publisher's receipt.
    own = {}
    for index, agent in enumerate(agents):
        answer = subprocess.run(
            [agent, "status", "--json", "--config", work / f"agent{index}.conf"],
            capture_output=True, check=True)
        status = json.loads(answer.stdout)
        for job in status["jobs"]:
            own[job["contract"]] = (status["identity"], job)

    leases = receipt["jobs"]
    if len(leases) != len(agents):
        fail(f"{len(leases)} leases in the receipt, {len(agents)} machines were hired")
    for lease in leases:
        if lease["contract"] not in own:
            fail(f"no agent knows contract {lease['contract']}")
        check(lease, *own[lease["contract"]])
    ran = sorted(task["task"] for lease in leases for task in lease["tasks"])
    if ran != list(range(count)):
        fail(f"of {count} tasks these ended: {ran}")
    print(
        f"  words agree: {receipt['result_sha256'][:16]}…; {receipt['seconds']} s from an empty chain"
        " to the last close")


def check(lease, identity, mine):
    """Compares a lease in the receipt with the agent's report of it."""
    for field, theirs in [
        ("worker", identity), ("owed_sat", mine["owed_sat"]), ("paid_sat", mine["paid_sat"]),
        ("close_txid", mine.get("close_txid")), ("close_height", mine.get("close_height")),
        ("payout_sat", mine["payout_sat"]), ("exit_status", mine.get("exit_status")),
        ("payments", mine["payments"]),
    ]:
        if lease[field] != theirs:
            fail(f"{field}: the publisher says {lease[field]}, the agent says {theirs}")
    if not lease["report_signature_ok"]:
        fail("a report's signature is wrong")
    if not lease["tasks"]:
        fail("a machine had no task")
    for task in lease["tasks"]:
        if task["exit_status"] != 0:
            fail(f"task {task['task']} ended with status {task['exit_status']}")
    if not lease["paid_sat"] >= lease["owed_sat"] > 0:
        fail(f"{lease['owed_sat']} sat owed, {lease['paid_sat']} sat paid")
    if lease["payout_sat"] != lease["paid_sat"]:
        fail(f"{lease['paid_sat']} sat paid, {lease['payout_sat']} sat collected")
    if lease["payments"] < LEAST_PAYMENTS:
        fail(f"{lease['payments']} payments while it worked, at least {LEAST_PAYMENTS} were expected")
    channels = [lease, *lease["top_ups"]]
    print(
        f"  worker {lease['worker'][:8]}: {len(lease['tasks'])} tasks, {lease['payments']} payments through"
        f" {len(channels)} channels, {lease['owed_sat']} sat owed, {lease['paid_sat']} sat paid and collected;"
        f" closed at height {max(channel['close_height'] for channel in channels)} by "
        + ", ".join(channel["close_txid"][:16] + "…" for channel in channels))


main()
