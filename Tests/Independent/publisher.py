#!/usr/bin/env python3
"""A publisher in Python: announces, hires the first provider that bids, runs one task in its sandbox, pays,
signs the receipt. It is a test of the pages in Sources/Market/Protocol.docc.

Usage: publisher.py NODE_PORT LISTEN_PORT PRICE_CEILING PROGRAM -- ARGUMENT...
PROGRAM is a static program, which the bundle has in /bin. Prints the address that it wants coins on, and one
JSON object at the end.
"""

import hashlib
import io
import json
import socket
import struct
import sys
import tarfile
from pathlib import Path

import codec
from chain import BEACON, GENESIS, REPLACEABLE, Channel, Key, Node, Transaction, p2wsh, push
from codec import DUST, decoded, encoded, owed, sha256, tagged
from session import ERROR, FILE_IN, OUTPUT, Ended, Identity, Session, is_signed, listen, run

LADDER = [1_000, 4_000, 20_000]
FEE_SAT = 1_000  # of the announcement and of the funding


def bundle_of(program):
    """A tar with one program, in a zstd frame of raw blocks."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo("bin/" + program.name)
        entry.mode, entry.size = 0o755, program.stat().st_size
        archive.addfile(entry, io.BytesIO(program.read_bytes()))
    data, frame = tar.getvalue(), b"\x28\xb5\x2f\xfd\x00\x50"
    for start in range(0, len(data), 65_536):
        block = data[start:start + 65_536]
        is_last = start + len(block) == len(data)
        frame += struct.pack("<I", len(block) << 3 | is_last)[:3] + block
    return frame


class Publisher:
    def __init__(self, node_port, port, ceiling, program, arguments):
        self.identity, self.coins = Identity(), Key()
        self.key, self.returns = Key(), Key()
        self.port, self.bundle = port, bundle_of(program)
        self.arguments = [b"/bin/" + program.name.encode(), *arguments]
        self.coin = self.session = self.contract = self.channel = self.result = self.sock = None
        self.lines, self.output, self.over, self.streams = [], {OUTPUT: b"", ERROR: b""}, set(), {}
        self.paid = self.sequence = self.owed = 0
        self.announced = self.is_open = self.receipt = self.signatures = None
        self.usage, self.final = None, False
        self.offer = {
            "version": 2, "network": GENESIS, "title": b"a task from the pages",
            "share": {"memory": 64, "cpus": 800, "pids": 32, "disk": 32}, "isolation": 0,
            "processors": 63, "workers": 1, "ceiling": ceiling,
            "traffic": {"disk": 1 << 18, "network": 1 << 18}, "payout_interval": 200,
            "max_loss": 20_000, "stop_grace": 2_000, "hold": 60_000, "notice": 600_000,
            "channel_blocks": 144, "margin": 24, "depth": 1, "ladder": LADDER}
        self.node = Node(node_port, self.seen)

    def say(self, name, **fields):
        self.session.say(name, **fields)

    # The chain

    def seen(self, transaction):
        for index, (amount, script) in enumerate(transaction.outputs):
            if script == self.coins.script and not self.announced:
                self.coin = (transaction.txid, index, amount)
        spends = [entry[:2] for entry in transaction.inputs]
        if self.channel and list(self.channel.funding) in spends:
            self.result = {
                "contract": self.id.hex(), "provider": self.contract["provider"].hex(),
                "output": self.output[OUTPUT].decode(), "exit": self.lines[0]["status"],
                "owed_sat": self.owed, "paid_sat": self.paid,
                "close_txid": transaction.txid[::-1].hex(), "close_height": self.node.height,
                "payout_sat": sum(a for a, s in transaction.outputs
                                  if s == self.contract["terms"]["payout"]),
                "is_receipt_signed": self.receipt is not None}

    def spend(self, outputs):
        """Spends the coin; the last output is the change, which is the next coin."""
        txid, index, amount = self.coin
        change = amount - FEE_SAT - sum(a for a, _ in outputs)
        made = Transaction([[txid, index, REPLACEABLE, [], b""]],
                           [*outputs, [change, self.coins.script]])
        made.spend_key(0, self.coins, amount)
        self.coin = (made.txid, len(outputs), change)
        self.node.broadcast(made)
        return made

    def announce(self):
        endpoint = struct.pack("<H", self.port) + b"127.0.0.1"
        document = codec.announcement({
            **self.offer, "publisher": self.identity.public, "endpoint": endpoint,
            "memory": self.offer["share"]["memory"], "expiry": self.node.height + 100,
            "offer": tagged("zennet/offer", encoded("offer", self.offer))})
        self.announced = self.spend([[0, b"\x6a" + push(document)], [DUST, BEACON]])

    # The lease

    def take(self):
        for name, fields in self.session.received():
            getattr(self, "on_" + name, lambda **_: None)(**fields)

    def on_hello(self, version, features, subject, id):
        assert version >= 2 and features & 0x5555555555555555 == 0
        assert (subject, id) == (0, self.announced.txid)
        self.say("welcome", version=2, features=0)
        self.say("offer", offer=encoded("offer", self.offer))

    def on_bid(self, report, bid, signature):
        values, told = decoded("bid", bid), decoded("report", report[:-64])
        digest = tagged("zennet/bid", bid)
        assert values["provider"] == told["identity"] == self.session.peer
        assert is_signed(signature, digest, self.session.peer)
        assert is_signed(report[-64:], tagged("zennet/report", report[:-64]), self.session.peer)
        assert values["report"] == sha256(report)
        assert codec.PROCESSORS[told["architecture"].decode()] & self.offer["processors"]
        assert told["memory"] >= self.offer["share"]["memory"]
        hour = codec.worst_hour(values["rates"], self.offer["share"], self.offer["traffic"])
        assert hour <= self.offer["ceiling"] and values["debt"]["amount"] == 0
        terms = {
            "version": 2, "provider_key": values["key"], "publisher_key": self.key.public,
            "expiry": self.node.height + self.offer["channel_blocks"],
            "margin": self.offer["margin"], "capacity": 0, "reserve": 0, "ladder": LADDER,
            "payout": values["payout"], "return_key": self.returns.public}
        terms["reserve"] = Channel.fee(terms, len(LADDER) - 1)
        terms["capacity"] = terms["reserve"] + 20_000
        offer, same = self.offer, ("share", "ceiling", "traffic", "payout_interval", "stop_grace",
                                   "hold", "notice", "depth")
        self.contract = {
            "version": 2, "offer": values["offer"], "bid": digest,
            "publisher": self.identity.public, "provider": values["provider"], "worker": 0,
            "rates": values["rates"], "terms": terms, "provider_loss": values["max_loss"],
            "publisher_loss": offer["max_loss"], "first_payment": values["first_payment"],
            "debt": values["debt"], **{name: offer[name] for name in same}}
        body = encoded("contract", self.contract)
        self.id = tagged("zennet/contract", body)
        self.say("contract", contract=body, signature=self.identity.sign(self.id))

    def on_accept(self, signature, next_key):
        assert is_signed(signature, self.id, self.contract["provider"])
        terms = self.contract["terms"]
        funding = self.spend([[terms["capacity"], p2wsh(Channel.witness_script(terms))]])
        self.channel = Channel(terms, (funding.txid, 0))
        self.say("funding", channel=0, transaction=funding.bytes(), output=0)

    def on_funding_state(self, channel, sight, height):
        if self.is_open or channel != 0 or sight == 2:
            return
        self.is_open = True
        self.say("task", number=1, arguments=self.arguments, environment=[],
                 bundles=[{"digest": sha256(self.bundle), "size": len(self.bundle)}],
                 folder=b"/work", **self.offer["share"], wall=60_000, stop=0, has_input=0,
                 result_path=b"/", most_result=0)
        key = codec.task_key(self.id, 1)
        self.streams = {self.session.open(kind, key): kind for kind in (OUTPUT, ERROR)}

    # The task

    def on_open(self, stream, kind, key, offset):
        assert (kind, key) == (FILE_IN, sha256(self.bundle))
        self.session.send(stream, self.bundle[offset:])

    def on_data(self, stream, data):
        self.output[self.streams[stream]] += data

    def on_over(self, stream, is_reset):
        if stream in self.streams:
            self.over.add(self.streams[stream])
            if not is_reset:
                self.session.send(stream, b"")
            self.finish()

    def on_task_ended(self, line):
        if line in self.lines:
            return
        assert line["number"] == 1 and line["result_bytes"] == 0
        self.lines.append(line)
        self.say("lines_stored", count=1)
        self.say("end", reason=b"no task is left")

    # Money

    def believe(self, usage, told):
        ours = owed(self.contract["rates"], usage)
        assert told == ours, f"{told} sat told, {ours} sat owed"
        self.usage, self.owed = usage, max(self.owed, ours)

    def pay(self):
        due = self.owed - self.paid
        half = max(1, self.contract["provider_loss"] // 2)
        if due <= 0 or (due < half and not self.lines):
            return
        self.paid = max(self.owed, self.contract["first_payment"])
        assert self.paid <= self.channel.max_payable
        self.sequence += 1
        self.signatures = self.channel.sign(self.paid, self.key)
        self.say("payment", channel=0, payment={
            "sequence": self.sequence, "amount": self.paid, "signatures": self.signatures})

    def on_usage(self, sequence, usage, owed):
        self.believe(usage, owed)
        self.pay()

    def check(self, body, signature):
        statement = decoded("statement", body)
        assert is_signed(signature, tagged("zennet/statement", body), self.contract["provider"])
        assert statement["contract"] == self.id and statement["lines"] == len(self.lines)
        assert statement["chain"] == codec.chain_of_lines(self.lines)
        self.believe(statement["usage"], statement["owed"])
        return statement

    def on_statement(self, statement, signature):
        self.check(statement, signature)
        digest = tagged("zennet/statement", statement)
        self.say("statement_signed", digest=digest, signature=self.identity.sign(digest))
        self.pay()

    def on_receipt(self, statement, signature, closes):
        values = self.check(statement, signature)
        assert values["final"] == 1 and values["owed"] <= self.paid
        assert values["paid"] == [{"channel": 0, "amount": self.paid}]
        close = closes[0]["close"]
        assert close["amount"] == self.paid
        assert self.channel.are_signed(
            self.paid, close["signatures"], self.contract["terms"]["provider_key"])
        self.receipt = statement
        self.finish()

    def finish(self):
        """The rest of the output comes before the answer to the receipt."""
        if self.receipt and self.over == {OUTPUT, ERROR}:
            digest = tagged("zennet/statement", self.receipt)
            self.say("receipt_signed", signature=self.identity.sign(digest))

    def main(self):
        server = listen(self.port)
        print(self.coins.address, flush=True)
        run(lambda: [self.node], lambda: self.coin)
        self.announce()
        self.sock, _ = server.accept()
        self.session = Session(self.sock, self.identity)
        try:
            run(lambda: [self.node, self], lambda: self.result or self.receipt)
            run(lambda: [self.node, self], lambda: self.result)
        except Ended:
            if not self.receipt:
                raise
        run(lambda: [self.node], lambda: self.result)
        print(json.dumps(self.result))


if __name__ == "__main__":
    program, _, *words = sys.argv[4:]
    Publisher(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(program),
              [word.encode() for word in words]).main()
