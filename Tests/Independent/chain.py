"""The chain (Chain.md, Channel.md): a node's blocks by Bitcoin's protocol, transactions, channels."""

import os
import socket
import struct
import time

import coincurve

import codec
from codec import DUST, Reader, compact, sha256

MAGIC = bytes.fromhex("fabfb5da")  # regtest
GENESIS = bytes.fromhex("06226e46111a0b59caaf126043eb5bbf28c34f3a5e332a1fc7b2b73cf188910f")
CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
REPLACEABLE = 0xFFFFFFFD
ALL = b"\x01"


def double(data):
    return sha256(sha256(data))


def push(data):
    return (b"" if len(data) <= 75 else b"\x4c") + bytes([len(data)]) + data


def number(value):
    if value <= 16:
        return bytes([0x50 + value]) if value else b"\0"
    return push(value.to_bytes(value.bit_length() // 8 + 1, "little"))


def p2wsh(script):
    return b"\x00\x20" + sha256(script)


BEACON = p2wsh(push(b"zennet/1") + b"\x75\x51")


class Key:
    """A secp256k1 key, and the P2WPKH output that it spends."""

    def __init__(self, secret=None):
        self.secret = coincurve.PrivateKey(secret or os.urandom(32))
        self.public = self.secret.public_key.format()
        self.hash = codec.hashlib.new("ripemd160", sha256(self.public)).digest()
        self.script = b"\x00\x14" + self.hash

    def sign(self, digest):
        return self.secret.sign(digest, hasher=None)

    @property
    def address(self):
        """BIP173, for regtest."""
        bits = int.from_bytes(self.hash, "big")
        words = [0] + [bits >> (5 * place) & 31 for place in reversed(range(32))]
        prefix = [ord(c) >> 5 for c in "bcrt"] + [0] + [ord(c) & 31 for c in "bcrt"]
        check = 1
        for word in prefix + words + [0] * 6:
            top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ word
            for place, mask in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
                check ^= mask if top >> place & 1 else 0
        words += [(check ^ 1) >> (5 * place) & 31 for place in reversed(range(6))]
        return "bcrt1" + "".join(CHARSET[word] for word in words)


class Transaction:
    """Inputs are [txid, index, sequence, witness, scriptSig], outputs [amount, script]."""

    def __init__(self, inputs, outputs, lock_time=0, version=2):
        self.inputs, self.outputs, self.lock_time, self.version = inputs, outputs, lock_time, version

    @classmethod
    def read(cls, reader):
        version = reader.number("u32")
        has_witness = reader.data[reader.at:reader.at + 2] == b"\0\1"
        reader.take(2 if has_witness else 0)
        inputs = []
        for _ in range(reader.compact()):
            txid, index, script = reader.take(32), reader.number("u32"), reader.value("bytes")
            inputs.append([txid, index, reader.number("u32"), [], script])
        outputs = [[reader.number("u64"), reader.value("bytes")] for _ in range(reader.compact())]
        for entry in inputs if has_witness else []:
            entry[3] = reader.value("[bytes]")
        return cls(inputs, outputs, reader.number("u32"), version)

    def bytes(self, has_witness=True):
        has_witness = has_witness and any(entry[3] for entry in self.inputs)
        data = struct.pack("<I", self.version) + (b"\0\1" if has_witness else b"")
        data += compact(len(self.inputs))
        for txid, index, sequence, _, script in self.inputs:
            data += txid + struct.pack("<I", index) + codec.encoded("bytes", script)
            data += struct.pack("<I", sequence)
        data += self.all_outputs(with_count=True)
        for entry in self.inputs if has_witness else []:
            data += codec.encoded("[bytes]", entry[3])
        return data + struct.pack("<I", self.lock_time)

    def all_outputs(self, with_count=False):
        data = compact(len(self.outputs)) if with_count else b""
        return data + b"".join(struct.pack("<Q", amount) + codec.encoded("bytes", script)
                               for amount, script in self.outputs)

    @property
    def txid(self):
        return double(self.bytes(has_witness=False))

    @property
    def virtual_size(self):
        return -(-(3 * len(self.bytes(has_witness=False)) + len(self.bytes())) // 4)

    def digest(self, place, script_code, amount):
        """BIP143 with SIGHASH_ALL."""
        points = [txid + struct.pack("<I", index) for txid, index, *_ in self.inputs]
        sequences = [struct.pack("<I", entry[2]) for entry in self.inputs]
        return double(
            struct.pack("<I", self.version) + double(b"".join(points)) + double(b"".join(sequences))
            + points[place] + codec.encoded("bytes", script_code) + struct.pack("<Q", amount)
            + sequences[place] + double(self.all_outputs()) + struct.pack("<II", self.lock_time, 1))

    def spend_key(self, place, key, amount):
        code = b"\x76\xa9\x14" + key.hash + b"\x88\xac"
        self.inputs[place][3] = [key.sign(self.digest(place, code, amount)) + ALL, key.public]


def find_announcement(transaction):
    """Of a transaction that pays the beacon and holds exactly one document."""
    if not any(s == BEACON and amount >= DUST for amount, s in transaction.outputs):
        return None
    found = []
    for _, script in transaction.outputs:
        start = 3 if script[1:2] == b"\x4c" else 2
        if script[:1] == b"\x6a" and script[start - 1:start] == bytes([len(script) - start]):
            try:
                found.append(codec.read_announcement(script[start:]))
            except codec.Malformed:
                pass
    return found[0] if len(found) == 1 else None


class Channel:
    """The closes of one channel."""

    def __init__(self, terms, funding):
        self.terms, self.funding = terms, funding
        self.script = self.witness_script(terms)
        self.returns = p2wsh(b"\x51\xb2\x75" + push(terms["return_key"]) + b"\xac")

    @staticmethod
    def witness_script(terms):
        return (b"\x63" + push(terms["provider_key"]) + b"\xad\x67" + number(terms["expiry"])
                + b"\xb1\x75\x68" + push(terms["publisher_key"]) + b"\xac")

    @classmethod
    def virtual_size(cls, terms):
        witness = [bytes(72), bytes(72), ALL, cls.witness_script(terms)]
        return Transaction([[bytes(32), 0, 0, witness, b""]],
                           [[0, terms["payout"]], [0, bytes(34)]]).virtual_size

    @classmethod
    def fee(cls, terms, rung):
        return -(-terms["ladder"][rung] * cls.virtual_size(terms) // 1000)

    @property
    def max_payable(self):
        return self.terms["capacity"] - self.terms["reserve"]

    def close(self, amount, rung):
        rest = self.terms["capacity"] - amount - self.fee(self.terms, rung)
        if amount < DUST:
            amount, rest = 0, rest + amount
        elif rest < DUST:
            amount, rest = amount + rest, 0
        outputs = [[amount, self.terms["payout"]]] if amount else []
        outputs += [[rest, self.returns]] if rest else []
        return Transaction([[*self.funding, REPLACEABLE, [], b""]], outputs)

    def digest(self, amount, rung):
        return self.close(amount, rung).digest(0, self.script, self.terms["capacity"])

    def sign(self, amount, key):
        """At every rung."""
        return [key.sign(self.digest(amount, rung)) for rung in range(len(self.terms["ladder"]))]

    def are_signed(self, amount, signatures, public):
        key = coincurve.PublicKey(public)
        return len(signatures) == len(self.terms["ladder"]) and all(
            key.verify(signature, self.digest(amount, rung), hasher=None)
            for rung, signature in enumerate(signatures))

    def signed(self, amount, rung, publisher, provider):
        close = self.close(amount, rung)
        close.inputs[0][3] = [publisher + ALL, provider + ALL, ALL, self.script]
        return close


class Node:
    """The blocks of one node, in order. It is believed: this is a test, on a chain without proofs."""

    def __init__(self, port, seen):
        self.sock = socket.create_connection(("127.0.0.1", port), 20)
        self.seen, self.inbound, self.last, self.hash, self.height = seen, bytearray(), GENESIS, GENESIS, 0
        self.say("version", struct.pack("<IQQ", 70016, 8, int(time.time())) + bytes(52)
                 + struct.pack("<Q", 7) + b"\0" + struct.pack("<I?", 0, True))

    def say(self, command, payload=b""):
        self.sock.sendall(MAGIC + command.encode().ljust(12, b"\0")
                          + struct.pack("<I", len(payload)) + double(payload)[:4] + payload)

    def broadcast(self, transaction):
        self.say("tx", transaction.bytes())

    def ask(self):
        self.say("getheaders", struct.pack("<I", 70016) + b"\1" + self.last + bytes(32))

    def take(self):
        chunk = self.sock.recv(1 << 20)
        if not chunk:
            raise ConnectionError("the node hung up")
        self.inbound += chunk
        while len(self.inbound) >= 24:
            length = struct.unpack("<I", self.inbound[16:20])[0]
            if len(self.inbound) < 24 + length:
                return
            command = bytes(self.inbound[4:16]).rstrip(b"\0").decode()
            payload = bytes(self.inbound[24:24 + length])
            del self.inbound[:24 + length]
            self.received(command, Reader(payload))

    def received(self, command, reader):
        if command == "version":
            self.say("verack")
        elif command in ("verack", "inv"):
            self.ask()
        elif command == "ping":
            self.say("pong", reader.data)
        elif command == "headers":
            items = b""
            for _ in range(reader.compact()):
                header = reader.take(81)[:80]
                # Two questions may have the same answer.
                if header[4:36] == self.last:
                    self.last = double(header)
                    items += struct.pack("<I", 0x40000002) + self.last
            if items:
                self.say("getdata", compact(len(items) // 36) + items)
        elif command == "block":
            self.hash, self.height = double(reader.take(80)), self.height + 1
            for _ in range(reader.compact()):
                self.seen(Transaction.read(reader))
