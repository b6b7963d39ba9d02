#!/usr/bin/env python3
"""A provider in Python: bids for the first announcement on a chain, runs the lease's tasks on this host
without any isolation, is paid, closes. Its first connection breaks when a task has ended, and the lease goes on
with the next. It is a test of the pages in Sources/Market/Protocol.docc.

Usage: provider.py NODE_PORT
Prints one JSON object at the end.
"""

import json
import os
import platform
import resource
import socket
import struct
import subprocess
import sys
import time

import codec
from chain import Channel, Key, Node, Transaction, find_announcement
from codec import DUST, NO_USAGE, decoded, encoded, owed, sha256, tagged
from session import ERROR, FILE_IN, FILE_OUT, OUTPUT, Identity, Session, is_signed, run

RATES = {"cpu": 10**9, "memory": 10**6, "read": 0, "write": 0, "network": 10**6,
         "reserved": 4_000 * 10**9}  # 4000 sat a second of reservation


class Provider:
    def __init__(self, port):
        self.identity, self.owner, self.key, self.next_key = Identity(), Key(), Key(), Key()
        self.announcement = self.session = self.contract = self.channel = self.payment = None
        self.lines, self.queue, self.bundles, self.streams = [], [], {}, {}
        # Of tasks, by kind of stream and key: who asks for it from where on, and what there is of it.
        self.asked, self.made = {}, {}
        self.usage, self.reserved_since, self.reserved, self.reports = dict(NO_USAGE), None, 0, 0
        self.final = self.closing = self.result = self.sock = None
        self.calls = self.last_task = 0
        self.funded_at = b""
        self.node = Node(port, self.seen)

    def say(self, name, **fields):
        self.session.say(name, **fields)

    # The chain

    def seen(self, transaction):
        found = find_announcement(transaction)
        if found and not self.announcement and found["expiry"] > self.node.height:
            self.announcement = (transaction.txid, found)
        if self.channel and transaction.txid == self.channel.funding[0]:
            self.funded_at = struct.pack("<I", self.node.height)
            self.say_funding()
        if self.closing and transaction.txid == self.closing.txid:
            self.result = {
                "contract": self.id.hex(), "provider": self.identity.public.hex(),
                "owed_sat": self.owed(), "paid_sat": self.payment["amount"],
                "close_txid": self.closing.txid[::-1].hex(), "close_height": self.node.height,
                "payout_sat": sum(a for a, s in transaction.outputs if s == self.owner.script),
                "tasks": len(self.lines), "calls": self.calls}

    # The lease

    def call(self, subject, id):
        found = self.announcement[1]
        port, host = struct.unpack("<H", found["endpoint"][:2])[0], found["endpoint"][2:].decode()
        sock = self.sock = socket.create_connection((host, port), 20)
        self.session = Session(sock, self.identity, peer=found["publisher"])
        self.calls, self.reports, self.asked = self.calls + 1, 0, {}
        self.say("hello", version=2, features=0, subject=subject, id=id)

    def take(self):
        session = self.session
        for name, fields in session.received():
            getattr(self, "on_" + name, lambda **_: None)(**fields)
            if self.session is not session:
                return

    def break_off(self):
        self.count()
        self.reserved_since = None
        self.sock.close()
        self.call(1, self.id)

    def on_state(self, lines, chain, reserved, paid, **_):
        """The publisher's; what it lacks is said again behind ours."""
        assert chain == codec.chain_of_lines(self.lines[:lines])
        assert reserved + 10_000 + self.reserved // 1024 >= self.reserved
        self.reserved, self.reserved_since = min(self.reserved, reserved), time.monotonic()
        last = self.payment or {"sequence": 0, "amount": 0}
        self.say("state", last_task=self.last_task, lines=len(self.lines),
                 chain=codec.chain_of_lines(self.lines), reserved=self.reserved, ending=0,
                 paid=[{"channel": 0, "sequence": last["sequence"], "amount": last["amount"]}])
        self.say_funding()
        for line in self.lines[lines:]:
            self.say("task_ended", line=line)
        self.report()

    def on_offer(self, offer):
        self.offer, found = decoded("offer", offer), self.announcement[1]
        assert tagged("zennet/offer", offer) == found["offer"]
        for name in ("workers", "processors", "isolation", "ceiling", "payout_interval"):
            assert self.offer[name] == found[name], name
        assert codec.worst_hour(RATES, self.offer["share"], self.offer["traffic"]) <= found["ceiling"]
        report = encoded("report", {
            "version": 1, "identity": self.identity.public, "height": self.node.height,
            "hash": self.node.hash, "time": int(time.time()),
            "architecture": platform.machine().encode(), "processors": os.cpu_count(),
            "memory": 1024, "isolation": 0, "results": []})
        report += self.identity.sign_document("report", report)
        self.bid = {
            "version": 2, "offer": found["offer"], "provider": self.identity.public,
            "report": sha256(report), "rates": RATES, "max_loss": 100, "first_payment": DUST,
            "payout": self.owner.script, "key": self.key.public,
            "debt": {"lease": bytes(32), "amount": 0}}
        bid = encoded("bid", self.bid)
        self.say("bid", report=report, bid=bid, signature=self.identity.sign_document("bid", bid))

    def on_contract(self, contract, signature):
        self.id, self.contract = tagged("zennet/contract", contract), decoded("contract", contract)
        terms, bid, offer = self.contract["terms"], self.bid, self.offer
        assert is_signed(signature, self.id, self.announcement[1]["publisher"])
        assert self.contract["bid"] == tagged("zennet/bid", encoded("bid", bid))
        assert self.contract["provider_loss"] == bid["max_loss"]
        for name in ("rates", "offer", "provider", "first_payment", "debt"):
            assert self.contract[name] == bid[name], name
        for name in ("share", "ceiling", "traffic", "payout_interval", "stop_grace", "hold", "notice",
                     "depth"):
            assert self.contract[name] == offer[name], name
        assert (terms["provider_key"], terms["payout"]) == (bid["key"], bid["payout"])
        assert (terms["ladder"], terms["margin"]) == (offer["ladder"], offer["margin"])
        assert terms["reserve"] >= Channel.fee(terms, len(terms["ladder"]) - 1)
        assert terms["expiry"] > self.node.height + terms["margin"]
        self.say("accept", signature=self.identity.sign(self.id), next_key=self.next_key.public)

    def on_funding(self, channel, transaction, output):
        funding, terms = Transaction.read(codec.Reader(transaction)), self.contract["terms"]
        from_terms = [terms["capacity"], b"\x00\x20" + sha256(Channel.witness_script(terms))]
        assert channel == 0 and all(not i[4] and i[3] for i in funding.inputs)
        assert funding.outputs[output] == from_terms
        self.channel = Channel(terms, (funding.txid, funding.outputs.index(from_terms)))
        self.node.broadcast(funding)
        self.reserved_since = self.reported_at = time.monotonic()
        self.say_funding()

    def say_funding(self):
        # Not before both sides know where the other one stands.
        if self.reserved_since:
            self.say("funding_state", channel=0, sight=int(self.funded_at != b""), height=self.funded_at)

    def on_payment(self, channel, payment):
        if payment == self.payment:
            return self.say("payment_stored", channel=0, sequence=payment["sequence"])
        former = self.payment or {"sequence": 0, "amount": 0}
        assert channel == 0 and payment["sequence"] > former["sequence"]
        assert max(former["amount"], DUST) <= payment["amount"] <= self.channel.max_payable
        assert self.channel.are_signed(
            payment["amount"], payment["signatures"], self.contract["terms"]["publisher_key"])
        self.payment = payment
        self.say("payment_stored", channel=0, sequence=payment["sequence"])
        self.settle()

    # Use

    def count(self):
        if self.reserved_since:
            now = time.monotonic()
            self.reserved += int(1000 * (now - self.reserved_since))
            self.reserved_since = now
        return {"tasks": self.usage, "reserved": self.reserved}

    def owed(self):
        return owed(self.contract["rates"], self.count(), self.contract["debt"]["amount"])

    def statement(self, is_final):
        paid = [{"channel": 0, "amount": self.payment["amount"]}] if self.payment else []
        usage = self.count()
        body = encoded("statement", {
            "version": 3, "contract": self.id, "lines": len(self.lines),
            "last_task": max((line["number"] for line in self.lines), default=0),
            "chain": codec.chain_of_lines(self.lines), "usage": usage,
            "owed": owed(self.contract["rates"], usage, self.contract["debt"]["amount"]),
            "paid": paid, "final": int(is_final)})
        return body, self.identity.sign_document("statement", body)

    def report(self, is_final=False):
        body, signature = self.statement(is_final)
        self.say("statement", statement=body, signature=signature)
        stated = decoded("statement", body)
        self.say_usage(stated["usage"], stated["owed"])

    def say_usage(self, usage, owed_sat):
        self.reports, self.reported_at = self.reports + 1, time.monotonic()
        self.say("usage", sequence=self.reports, usage=usage, owed=owed_sat)

    def time_passed(self):
        interval = self.reserved_since and self.contract["payout_interval"] / 1000
        if interval and time.monotonic() > self.reported_at + interval:
            usage = self.count()
            self.say_usage(usage, owed(self.contract["rates"], usage))

    # Tasks

    def on_task(self, number, bundles, arguments, most_result, **_):
        if number <= self.last_task:
            return
        self.last_task = number
        # An archive of nothing; a task that wants no results has none.
        results = bytes(1024) if most_result >= 1024 else b""
        self.queue.append((number, [bundle["digest"] for bundle in bundles], arguments, results))
        for bundle in bundles:
            if bundle["digest"] not in self.bundles:
                stream = self.session.open(FILE_IN, bundle["digest"])
                self.bundles[bundle["digest"]], self.streams[stream] = b"", bundle
        self.start()

    def on_open(self, stream, kind, key, offset):
        # It may come before the task.
        self.asked[kind, key] = (stream, offset)
        self.serve()

    def on_data(self, stream, data):
        bundle = self.streams[stream]
        self.bundles[bundle["digest"]] += data
        if len(self.bundles[bundle["digest"]]) == bundle["size"]:
            assert sha256(self.bundles[bundle["digest"]]) == bundle["digest"]
            self.session.send(stream, b"")
            self.start()

    def serve(self):
        for place in self.asked.keys() & self.made.keys():
            stream, offset = self.asked.pop(place)
            self.session.send(stream, self.made[place][offset:])

    def start(self):
        while self.queue:
            number, digests, arguments, results = self.queue[0]
            if any(sha256(self.bundles[digest]) != digest for digest in digests):
                return
            self.queue.pop(0)
            self.execute(number, codec.task_key(self.id, number), arguments, results)

    def execute(self, number, key, arguments, results):
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        started = int(time.time())
        self.say("task_state", number=number, state=1, more=struct.pack("<Q", started))
        done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        used, wall = resource.getrusage(resource.RUSAGE_CHILDREN), int(1000 * (time.monotonic() - began))
        seconds = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
        self.made |= {(OUTPUT, key): done.stdout, (ERROR, key): done.stderr, (FILE_OUT, key): results}
        usage = NO_USAGE | {"cpu": int(1000 * seconds), "memory": wall, "peak": 1024, "wall": wall}
        self.usage = {name: self.usage[name] + usage[name] for name in usage} | {"peak": 1024}
        line = {"number": number, "kind": 0 if done.returncode >= 0 else 1,
                "status": abs(done.returncode), "usage": usage, "result_bytes": len(results),
                "result_digest": sha256(results) if results else bytes(32), "started": started}
        self.lines.append(line)
        self.say("task_ended", line=line)
        if self.calls == 1:
            return self.break_off()
        self.serve()
        self.report()

    # The end

    def on_end(self, **_):
        self.count()
        self.reserved_since = None
        self.final = self.contract
        self.report(is_final=True)
        self.settle()

    def settle(self):
        if self.final and self.payment and self.payment["amount"] >= self.owed():
            body, signature = self.statement(is_final=True)
            self.receipt, amount = body, self.payment["amount"]
            close = {"amount": amount, "signatures": self.channel.sign(amount, self.key)}
            self.say("receipt", statement=body, signature=signature,
                     closes=[{"channel": 0, "close": close}])

    def on_receipt_signed(self, signature):
        digest = tagged("zennet/statement", self.receipt)
        assert is_signed(signature, digest, self.contract["publisher"])
        amount = self.payment["amount"]
        own = self.key.sign(self.channel.digest(amount, 0))
        self.closing = self.channel.signed(amount, 0, self.payment["signatures"][0], own)
        self.node.broadcast(self.closing)
        self.session.close()
        self.sock = None

    def main(self):
        run(lambda: [self.node], lambda: self.announcement)
        self.call(0, self.announcement[0])
        run(lambda: [self.node] + ([self] if self.sock else []),
            lambda: self.time_passed() or self.result)
        print(json.dumps(self.result))


if __name__ == "__main__":
    Provider(int(sys.argv[1])).main()
