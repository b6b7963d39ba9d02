#!/usr/bin/env python3
"""Reads every file of Tests/Vectors with the code of these clients, which was written from the pages.

Usage: check_vectors.py FOLDER
"""

import json
import re
import sys
from pathlib import Path

import coincurve
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

import codec
from chain import BEACON, Channel, Key, Transaction, push
from codec import Malformed, decoded, encoded, sha256, tagged
from session import OUTPUT, Identity, Session, agreement_key, is_signed

# What the vectors name in another order than it travels, or by the case of an enumeration.
APART = {"hello", "funding_state", "task_state", "execute"}
checks = 0


def same(what, left, right):
    global checks
    checks += 1
    if left != right:
        sys.exit(f"{what}: {left} here, {right} in the vector")


def binary(text):
    return bytes.fromhex(text)


def leaves(value):
    """Everything that is no structure, in order; numbers, and bytes in hexadecimal."""
    if isinstance(value, dict):
        return [leaf for name, part in value.items() if name != "version" for leaf in leaves(part)]
    if isinstance(value, list):
        return [leaf for part in value for leaf in leaves(part)]
    if isinstance(value, (bytes, bytearray)):
        return [value.hex()]
    return [str(value)]


def renamed(schema, values):
    """A structure of numbers with the names that these clients use."""
    return dict(zip((field.split(":")[0] for field in schema.split()), map(int, leaves(values))))


def announcements(vectors):
    for vector in vectors["valid"]:
        data, fields = binary(vector["document"]), vector["fields"]
        values = codec.read_announcement(data)
        same("digest", tagged("zennet/announcement", data).hex(), vector["digest"])
        same("host", values["endpoint"][2:].hex(), fields["endpoint"]["host"])
        same("port", int.from_bytes(values["endpoint"][:2], "little"), fields["endpoint"]["port"])
        same("numbers", [values[name] for name in (
            "workers", "processors", "memory", "isolation", "ceiling", "payout_interval", "expiry")],
             list(fields.values())[2:9])
        same("offer", values["offer"].hex(), fields["offerDigest"])
        outputs = [[0, (b"\x6a" + push(data)).hex()], [codec.DUST, BEACON.hex()]]
        same("outputs", [list(output.values()) for output in vector["outputs"]], outputs)
        if not fields["extras"]:
            same("document", codec.announcement(values).hex(), vector["document"])
    for vector in vectors["refused"]:
        try:
            codec.read_announcement(binary(vector["document"]))
        except Malformed:
            continue
        sys.exit(f"an announcement is read: {vector['reason']}")


def document(vector, publisher, provider):
    kind, data = vector["kind"], binary(vector["document"])
    values = decoded(kind, data)
    same(kind, encoded(kind, values).hex(), vector["document"])
    same(kind, leaves(values), leaves(vector["fields"]))
    digest = tagged(f"zennet/{kind}", data)
    same(kind, digest.hex(), vector["digest"])
    for name, identity in (("publisher", publisher), ("provider", provider)):
        if name + "_signature" in vector:
            same(kind, is_signed(binary(vector[name + "_signature"]), digest, identity), True)


def documents(vectors):
    for vector in vectors["documents"]:
        document(vector, binary(vectors["publisher"]), binary(vectors["provider"]))


def messages(vectors):
    seen = set()
    for vector in vectors:
        data = binary(vector["message"])
        name, fields = codec.read_message(data)
        same(name, codec.message(name, **fields).hex(), vector["message"])
        if name not in APART:
            same(name, leaves(fields), leaves(vector["fields"]))
        seen.add(data[0])
    same("types", seen, set(codec.MESSAGES))


def channels(vectors):
    terms = decoded("terms", binary(vectors["terms"]))
    same("terms", leaves(terms), leaves(vectors["fields"]))
    funding = Transaction.read(codec.Reader(binary(vectors["funding"])))
    same("funding", funding.bytes().hex(), vectors["funding"])
    same("txid", funding.txid.hex(), vectors["funding_txid"])
    channel = Channel(terms, (funding.txid, vectors["funding_index"]))
    same("script", channel.script.hex(), vectors["witness_script"])
    same("output", funding.outputs[1], [terms["capacity"], binary(vectors["output_script"])])
    same("return", channel.returns.hex(), vectors["return_script"])
    same("max payable", channel.max_payable, vectors["max_payable_sat"])
    same("size", Channel.virtual_size(terms), vectors["virtual_size"])
    same("fees", [Channel.fee(terms, rung) for rung in range(3)], vectors["fees_sat"])
    for vector in vectors["closes"]:
        place = (vector["amount_sat"], vector["rung"])
        same(place, channel.close(*place).bytes().hex(), vector["close"])
        same(place, channel.digest(*place).hex(), vector["digest"])
    paid = vectors["payment"]
    payment = decoded("payment", binary(paid["payment"]))
    close = decoded("signed_close", binary(paid["signed_close"]))
    amount, signatures = payment["amount"], payment["signatures"]
    same("payment", channel.are_signed(amount, signatures, terms["publisher_key"]), True)
    same("close", channel.are_signed(amount, close["signatures"], terms["provider_key"]), True)
    made = channel.signed(amount, 1, signatures[1], close["signatures"][1])
    same("close", made.bytes().hex(), paid["close_at_rung_1"])
    same("close", made.txid.hex(), paid["close_txid"])
    own = channel.sign(amount, Key(binary(vectors["publisher_secret"])))
    same("own payment", channel.are_signed(amount, own, terms["publisher_key"]), True)
    refund = Transaction.read(codec.Reader(binary(vectors["refund"])))
    digest = refund.digest(0, channel.script, terms["capacity"])
    signature, empty, script = refund.inputs[0][3]
    same("refund", (empty, script, refund.lock_time), (b"", channel.script, terms["expiry"]))
    key = coincurve.PublicKey(terms["publisher_key"])
    same("refund", key.verify(signature[:-1], digest, hasher=None), True)


def prices(vectors):
    for vector in vectors["owed"]:
        rates = renamed(codec.RATES, vector["rates"])
        numbers = list(map(int, leaves(vector["usage"])))
        usage = {"tasks": dict(zip(codec.NO_USAGE, numbers)), "reserved": numbers[-1]}
        told, ours = vector["owed_sat"], codec.owed(rates, usage)
        same("owed", ours if ours < 1 << 64 else None, told if told is None else int(told))
    for vector in vectors["hours"]:
        rates, share = renamed(codec.RATES, vector["rates"]), renamed(codec.SHARE, vector["share"])
        traffic = renamed(codec.TRAFFIC, vector["traffic"])
        same("worst hour", codec.worst_hour(rates, share, traffic), vector["worst_hour_sat"])
        same("full use", codec.worst_hour(rates, share, {"disk": 0, "network": 0}),
             vector["full_use_sat"])
        tasks = codec.NO_USAGE | {"cpu": 500 * share["cpus"] // 1000 + 1, "memory": 500 * share["memory"]}
        same("headroom", codec.owed(rates, {"tasks": tasks, "reserved": 500}),
             vector["headroom_of_500_ms_sat"])
    for vector in vectors["traffic"]:
        hour = 3_600_000
        same("traffic", vector["kib_an_hour"] * max(vector["elapsed_ms"], hour) // hour,
             vector["counts_kib"])


def receipts(vectors):
    lines = []
    for vector in vectors["lines"]:
        lines.append(decoded("line", binary(vector["line"])))
        same("line", leaves(lines[-1]), leaves(vector["fields"]))
        same("chain", codec.chain_of_lines(lines).hex(), vector["chain"])
    contract = binary(vectors["contract"])
    same("task key", codec.task_key(contract, 7).hex(), vectors["key_of_task_7"])
    same("exec key", tagged("zennet/exec", contract + b"\7\0\0\0").hex(),
         vectors["key_of_exec_session_7"])
    statement = decoded("statement", binary(vectors["statement"]["document"]))
    same("owed", codec.owed(renamed(codec.RATES, vectors["rates"]), statement["usage"]),
         statement["owed"])
    same("chain", statement["chain"], codec.chain_of_lines(lines[:1]))


def reports(vectors):
    for vector in vectors:
        data = binary(vector["report"])
        values = decoded("report", data[:-64])
        same("report", encoded("report", values).hex(), data[:-64].hex())
        architecture = values["architecture"].decode()
        same("report", leaves(values | {"architecture": architecture}) + [data[-64:].hex()],
             leaves(vector["fields"]))
        digest = tagged("zennet/report", data[:-64])
        same("report", digest.hex(), vector["signed_digest"])
        same("report", is_signed(data[-64:], digest, values["identity"]), True)
        same("report", sha256(data).hex(), vector["digest"])


class Tape:
    """A connection on which the other party's bytes come from the vector, and ours go into it."""

    def __init__(self, steps, own):
        self.sent = b""
        self.coming = b"".join(binary(s["bytes"]) for s in steps if s["from"] != own)
        self.expected = b"".join(binary(s["bytes"]) for s in steps if s["from"] == own)

    def settimeout(self, seconds):
        pass

    def sendall(self, data):
        self.sent += data

    def recv(self, count):
        data, self.coming = self.coming[:count], self.coming[count:]
        return data


def session(vectors):
    ends = {name: Identity(binary(vectors[name + "_seed"])) for name in ("initiator", "responder")}
    for name, identity in ends.items():
        same(name, agreement_key(identity.public).hex(), vectors[name + "_agreement_key"])
    for own in ends:
        tape = Tape(vectors["steps"], own)
        peer = ends["responder"].public if own == "initiator" else None
        end = Session(tape, ends[own], peer, ephemeral=binary(vectors[own + "_ephemeral"]))
        if own == "initiator":
            name, fields = codec.read_message(binary(vectors["hello"]))
            end.say(name, **fields)
            event = list(end.received())[0]
            same("open", event, ("open", {
                "stream": vectors["stream"], "kind": OUTPUT, "key": binary(vectors["stream_key"]),
                "offset": 0}))
            end.send(vectors["stream"], b"hello\n")
            same("frames", tape.sent.hex(), tape.expected.hex())
        else:
            same("handshake", tape.expected.startswith(tape.sent), True)
            events = list(end.received())
            same("hello", events[0][0], "hello")
            same("data", events[1], ("data", {"stream": vectors["stream"], "data": b"hello\n"}))
            same("end", events[2][0], "over")
    key, plain = binary(vectors["rekey"]["key"]), binary(vectors["rekey"]["plaintext"])
    for frame in vectors["rekey"]["frames"]:
        sealed = ChaCha20Poly1305(key).encrypt(nonce(frame["nonce"]), plain, b"")
        same("rekey", sealed.hex(), frame["sealed"])
        key = ChaCha20Poly1305(key).encrypt(nonce(2**64 - 1), bytes(32), b"")[:32]


def nonce(number):
    return bytes(4) + number.to_bytes(8, "little")


def types(page):
    """The table of message types is what these clients read and say."""
    rows = re.findall(r"^\| (\d+) \| ([a-z -]+) \| (?:M|P|both) \|", page, re.MULTILINE)
    same("table of messages", {int(number): re.sub("[ -]", "_", name) for number, name in rows},
         {number: name for number, (name, _) in codec.MESSAGES.items()})


def main():
    folder = Path(sys.argv[1])
    types((folder.parents[1] / "Sources/Market/Protocol.docc/Messages.md").read_text())
    readers = (announcements, documents, messages, channels, prices, receipts, reports, session)
    same("files", sorted(path.stem for path in folder.glob("*.json")),
         sorted(reader.__name__ for reader in readers))
    for reader in readers:
        reader(json.loads((folder / (reader.__name__ + ".json")).read_text()))
    print(f"{checks} comparisons")


if __name__ == "__main__":
    main()
