#!/usr/bin/env python3
"""A provider in Python: bids for the first announcement on a chain, runs the lease's tasks on this host
without any isolation, is paid, closes. It is a test of the pages in Sources/Market/Protocol.docc.

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
         "reserved": 400 * 10**9}  # 400 sat a second of reservation


class Provider:
    def __init__(self, port):
        self.identity, self.owner, self.key, self.next_key = Identity(), Key(), Key(), Key()
        self.announcement = self.session = self.contract = self.channel = self.payment = None
        self.lines, self.queue, self.bundles, self.streams, self.held, self.results = [], [], {}, {}, {}, {}
        self.usage, self.reserved_since, self.reports = dict(NO_USAGE), None, 0
        self.reserved = 0
        self.final = self.closing = self.result = self.sock = None
        self.node = Node(port, self.seen)

    def say(self, name, **fields):
        self.session.say(name, **fields)

    # The chain

    def seen(self, transaction):
        found = find_announcement(transaction)
        if found and not self.announcement and found["expiry"] > self.node.height:
            self.announcement = (transaction.txid, found)
        if self.channel and transaction.txid == self.channel.funding[0]:
            self.say("funding_state", channel=0, sight=1, height=struct.pack("<I", self.node.height))
        if self.closing and transaction.txid == self.closing.txid:
            self.result = {
                "contract": self.id.hex(), "provider": self.identity.public.hex(),
                "owed_sat": self.owed(), "paid_sat": self.payment["amount"],
                "close_txid": self.closing.txid[::-1].hex(), "close_height": self.node.height,
                "payout_sat": sum(a for a, s in transaction.outputs if s == self.owner.script),
                "tasks": len(self.lines)}

    # The lease

    def call(self):
        txid, found = self.announcement
        port, host = struct.unpack("<H", found["endpoint"][:2])[0], found["endpoint"][2:].decode()
        sock = self.sock = socket.create_connection((host, port), 20)
        self.session = Session(sock, self.identity, peer=found["publisher"])
        self.say("hello", version=2, features=0, subject=0, id=txid)

    def take(self):
        for name, fields in self.session.received():
            getattr(self, "on_" + name, lambda **_: None)(**fields)

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
        self.say("funding_state", channel=0, sight=0, height=b"")
        self.reserved_since = self.reported_at = time.monotonic()

    def on_payment(self, channel, payment):
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
            self.reserved = int(1000 * (time.monotonic() - self.reserved_since))
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
        # An archive of nothing; a task that wants no results has none.
        results = bytes(1024) if most_result >= 1024 else b""
        self.queue.append((number, [bundle["digest"] for bundle in bundles], arguments, results))
        for bundle in bundles:
            if bundle["digest"] not in self.bundles:
                stream = self.session.open(FILE_IN, bundle["digest"])
                self.bundles[bundle["digest"]], self.streams[stream] = b"", bundle
        self.start()

    def on_open(self, stream, kind, key, offset):
        if kind == FILE_OUT:
            return self.session.send(stream, self.results[key][offset:])
        # It may come before the task.
        self.held[kind, key] = stream
        self.start()

    def on_data(self, stream, data):
        bundle = self.streams[stream]
        self.bundles[bundle["digest"]] += data
        if len(self.bundles[bundle["digest"]]) == bundle["size"]:
            assert sha256(self.bundles[bundle["digest"]]) == bundle["digest"]
            self.session.send(stream, b"")
            self.start()

    def start(self):
        while self.queue:
            number, digests, arguments, results = self.queue[0]
            key = codec.task_key(self.id, number)
            if (any(sha256(self.bundles[digest]) != digest for digest in digests)
                    or (OUTPUT, key) not in self.held or (ERROR, key) not in self.held):
                return
            self.queue.pop(0)
            self.execute(number, key, arguments, results)

    def execute(self, number, key, arguments, results):
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        started = int(time.time())
        self.say("task_state", number=number, state=1, more=struct.pack("<Q", started))
        done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        used, wall = resource.getrusage(resource.RUSAGE_CHILDREN), int(1000 * (time.monotonic() - began))
        seconds = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
        self.session.send(self.held[OUTPUT, key], done.stdout)
        self.session.send(self.held[ERROR, key], done.stderr)
        usage = NO_USAGE | {"cpu": int(1000 * seconds), "memory": wall, "peak": 1024, "wall": wall}
        self.usage = {name: self.usage[name] + usage[name] for name in usage} | {"peak": 1024}
        line = {"number": number, "kind": 0 if done.returncode >= 0 else 1,
                "status": abs(done.returncode), "usage": usage, "result_bytes": len(results),
                "result_digest": sha256(results) if results else bytes(32), "started": started}
        self.results[key] = results
        self.lines.append(line)
        self.say("task_ended", line=line)
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
        self.call()
        run(lambda: [self.node] + ([self] if self.sock else []),
            lambda: self.time_passed() or self.result)
        print(json.dumps(self.result))


if __name__ == "__main__":
    Provider(int(sys.argv[1])).main()
