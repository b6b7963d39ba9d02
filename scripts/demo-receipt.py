"""Completes the demo's receipt and checks it against the chain and the agents' own state.

Called by scripts/demo: demo-receipt.py WORK BEGAN_NS AGENT…
"""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path


def fail(reason):
    sys.exit(f"demo: {reason}")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main():
    work, began_ns, agents = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
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

    # What each agent says of its own job, beside what the publisher's receipt says.
    own = {}
    for index, agent in enumerate(agents):
        answer = subprocess.run(
            [agent, "status", "--json", "--config", work / f"agent{index}.conf"],
            capture_output=True, check=True)
        status = json.loads(answer.stdout)
        for job in status["jobs"]:
            own[job["contract"]] = (status["identity"], job)

    jobs = receipt["jobs"]
    if len(jobs) != len(agents):
        fail(f"{len(jobs)} jobs in the receipt, {len(agents)} machines were hired")
    for job in jobs:
        if job["contract"] not in own:
            fail(f"no agent knows contract {job['contract']}")
        identity, mine = own[job["contract"]]
        for field, theirs in [
            ("worker", identity), ("owed_sat", mine["owed_sat"]), ("paid_sat", mine["paid_sat"]),
            ("close_txid", mine.get("close_txid")), ("close_height", mine.get("close_height")),
            ("payout_sat", mine["payout_sat"]), ("exit_status", mine.get("exit_status")),
        ]:
            if job[field] != theirs:
                fail(f"{field}: the publisher says {job[field]}, the agent says {theirs}")
        if not job["report_signature_ok"]:
            fail("a report's signature is wrong")
        if job["exit_status"] != 0:
            fail(f"a job ended with status {job['exit_status']}")
        if not job["paid_sat"] >= job["owed_sat"] > 0:
            fail(f"{job['owed_sat']} sat owed, {job['paid_sat']} sat paid")
        if not 0 < job["payout_sat"] <= job["paid_sat"]:
            fail(f"{job['paid_sat']} sat paid, {job['payout_sat']} sat collected")
        print(
            f"  worker {job['worker'][:8]}: {job['payments']} payments, {job['owed_sat']} sat owed,"
            f" {job['paid_sat']} sat paid, {job['payout_sat']} sat collected at height"
            f" {job['close_height']} by {job['close_txid'][:16]}…")
    print(
        f"  words agree: {receipt['result_sha256'][:16]}…; {receipt['seconds']} s from an empty chain"
        " to the last close")


main()
