"""The only signer and miner of a custom signet (BIP325): for checks against Bitcoin Core, which has
no key to sign blocks with.

A block costs some five million hashes. The nonces of the first hundred blocks, which are needed
before any coin can be spent, are stored here: the content of these blocks is always the same.
"""

import hashlib
import hmac
import os
import time
from concurrent.futures import ProcessPoolExecutor

from parent import end_with

# secp256k1.
PRIME = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
BASE = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
GENESIS = bytes.fromhex("f61eee3b63a380a477a063af32b2bbc97c9ff9f01f2c4225e973988108000000")
GENESIS_TIME = 1_598_918_400
BITS = 0x1E0377AE
MARKER = bytes.fromhex("ecc7daa2")
COMMITMENT = bytes.fromhex("6a24aa21a9ed")
SUBSIDY_SAT = 5_000_000_000
# P2WSH of OP_TRUE: anyone can spend the blocks' payouts.
ANYBODY = b"\x00\x20" + hashlib.sha256(b"\x51").digest()
# By height from 1 on, four bytes each as in the header.
NONCES = (
    "4a8f440044cf0500db411c00e5962300ae086500f7810a00a99c3000cbf15d00b6904d009b3f2f009d2d9100"
    "15d44300acec2d009ea03f00b9ce88006eb17600287ce70009384a005cfe1401ab260f00e4560900529a8400"
    "600256002e581700af363300799e09001182d10010be28005fd5370091761d003b565f00d8742100ef8c4800"
    "de7d1200b2172900c0ccd3006ae3360087e43200a08161001caf450051ed3700d7d345003de81d0097f95700"
    "c0973d00366c8800b2ff7f00c12e0500a4e29c017bc80f003dd12400847e1f0059603f008c3d1900ec9e0f00"
    "9ad7340071ee690004fe4200ddc8040039b42200fefa540082bc930010972200a1e0580162fb0f0081969d00"
    "e2411a008dd6080032a30b0057334900a72a3700fcf25a0011fe0300f34b09004cd80a007aba880030527800"
    "549c35001d01070068131300ed333c00d9a8230060003e0056957800a9ee71004b8f3d00609f030054e5a200"
    "700a1600f1532100b1d80f00745b380037613400d41c27003ea610009b660f00022f48002d0e080015bfe300"
    "9f5b2e0047b24200"
)


def double(data):
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def compact(number):
    if number < 0xFD:
        return bytes([number])
    return b"\xfd" + number.to_bytes(2, "little")


def push(data):
    return bytes([len(data)] if len(data) < 0x4C else [0x4C, len(data)]) + data


def add(left, right):
    """The sum of two points; None is the one at infinity."""
    if left is None or right is None:
        return left or right
    if left[0] == right[0]:
        if left[1] != right[1]:
            return None
        slope = 3 * left[0] * left[0] * pow(2 * left[1], -1, PRIME) % PRIME
    else:
        slope = (right[1] - left[1]) * pow(right[0] - left[0], -1, PRIME) % PRIME
    x = (slope * slope - left[0] - right[0]) % PRIME
    return x, (slope * (left[0] - x) - left[1]) % PRIME


def multiply(scalar, point=BASE):
    result = None
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def der(number):
    data = number.to_bytes(33, "big").lstrip(b"\0")
    if data[0] & 0x80:
        data = b"\0" + data
    return b"\x02" + bytes([len(data)]) + data


def merkle_root(ids):
    while len(ids) > 1:
        if len(ids) % 2:
            ids = ids + ids[-1:]
        ids = [double(ids[i] + ids[i + 1]) for i in range(0, len(ids), 2)]
    return ids[0]


def grind(head, start, count, target):
    """The first of `count` nonces from `start` on that meets the target; None if there is none."""
    middle = hashlib.sha256(head[:64])
    tail = head[64:]
    sha256 = hashlib.sha256
    for nonce in range(start, start + count):
        state = middle.copy()
        state.update(tail + nonce.to_bytes(4, "little"))
        found = sha256(state.digest()).digest()
        # A quick check rejects most hashes.
        if found[31] == 0 and found[30] == 0 and int.from_bytes(found, "little") <= target:
            return nonce
    return None


class Coinbase:
    """The first transaction of a block; its second output commits to the witnesses."""

    def __init__(self, height, value_sat, commitment):
        if height <= 16:
            self.script = bytes([0x50 + height, 0])
        else:
            count = (height.bit_length() + 8) // 8
            self.script = push(height.to_bytes(count, "little")) + b"\0"
        self.value_sat, self.commitment = value_sat, commitment

    def parts(self, solution):
        inputs = (
            b"\x01" + bytes(32) + b"\xff" * 4 + compact(len(self.script)) + self.script
            + b"\xff" * 4)
        script = self.commitment + push(MARKER + solution)
        outputs = (
            b"\x02" + self.value_sat.to_bytes(8, "little") + compact(len(ANYBODY)) + ANYBODY
            + bytes(8) + compact(len(script)) + script)
        return inputs, outputs

    def txid(self, solution=b""):
        inputs, outputs = self.parts(solution)
        return double(b"\x02\0\0\0" + inputs + outputs + bytes(4))

    def whole(self, solution):
        inputs, outputs = self.parts(solution)
        return (
            b"\x02\0\0\0\0\x01" + inputs + outputs + b"\x01\x20" + bytes(32) + bytes(4))


class Signer:
    """Holds the network's key. `challenge` is the challenge in its network file."""

    def __init__(self, name="zennet/check"):
        self.secret = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") % ORDER
        x, y = multiply(self.secret)
        self.challenge = push(bytes([2 + y % 2]) + x.to_bytes(32, "big")) + b"\xac"

    def sign(self, digest):
        """ECDSA with a nonce derived from key and digest, in DER, followed by SIGHASH_ALL."""
        key = self.secret.to_bytes(32, "big")
        nonce = int.from_bytes(hmac.digest(key, digest, "sha256"), "big") % ORDER
        r = multiply(nonce)[0] % ORDER
        s = pow(nonce, -1, ORDER) * (int.from_bytes(digest, "big") + r * self.secret) % ORDER
        s = min(s, ORDER - s)
        body = der(r) + der(s)
        return b"\x30" + bytes([len(body)]) + body + b"\x01"

    def solution(self, version, previous, root, when):
        """BIP325: the solution for a block whose coinbase has only the marker."""
        block = version + previous + root + when.to_bytes(4, "little")
        script = b"\0" + push(block)
        to_spend = (
            bytes(4) + b"\x01" + bytes(32) + b"\xff" * 4 + compact(len(script)) + script + bytes(4)
            + b"\x01" + bytes(8) + compact(len(self.challenge)) + self.challenge + bytes(4))
        to_sign = (
            bytes(4) + b"\x01" + double(to_spend) + bytes(4) + compact(len(self.challenge))
            + self.challenge + bytes(4) + b"\x01" + bytes(8) + b"\x01\x6a" + bytes(4))
        signature = push(self.sign(double(to_sign + b"\x01\0\0\0")))
        return compact(len(signature)) + signature + b"\0"

    def block(self, height, previous, when, value_sat, commitment, others, find):
        """A signed block. `others` are transactions as (id, bytes); `find` finds the nonce for the
        first 76 bytes of a header."""
        version = b"\0\0\0\x20"
        coinbase = Coinbase(height, value_sat, commitment)
        ids = [txid for txid, _ in others]
        root = merkle_root([coinbase.txid()] + ids)
        solution = self.solution(version, previous, root, when)
        root = merkle_root([coinbase.txid(solution)] + ids)
        head = (
            version + previous + root + when.to_bytes(4, "little") + BITS.to_bytes(4, "little"))
        head += find(head).to_bytes(4, "little")
        body = coinbase.whole(solution) + b"".join(data for _, data in others)
        return head + compact(1 + len(others)) + body

    def early_block(self, height, previous, find):
        """The block of this height on a chain that consists only of such blocks."""
        commitment = COMMITMENT + double(bytes(64))
        when = GENESIS_TIME + 600 * height
        return self.block(height, previous, when, SUBSIDY_SAT, commitment, [], find)


class Miner:
    """Mines blocks for a node: `rpc(method, *parameters)` calls the node."""

    def __init__(self, signer, rpc):
        self.signer, self.rpc = signer, rpc
        self.workers = ProcessPoolExecutor(
            max_workers=os.cpu_count(), initializer=end_with, initargs=(os.getpid(),))
        # Start all workers now, in this thread: a thread that requests blocks may end before the
        # program.
        self.workers.submit(os.getpid).result()
        self.target = (BITS & 0xFFFFFF) << 8 * ((BITS >> 24) - 3)

    def close(self):
        self.workers.shutdown(cancel_futures=True)

    def find(self, head):
        step, start = 200_000, 0
        running = []
        while True:
            while len(running) < 2 * os.cpu_count():
                running.append(self.workers.submit(grind, head, start, step, self.target))
                start += step
            nonce = running.pop(0).result()
            if nonce is not None:
                for other in running:
                    other.cancel()
                return nonce

    def submit(self, block):
        refusal = self.rpc("submitblock", block.hex())
        if refusal is not None:
            raise ValueError(f"bitcoind takes no block of the signer's: {refusal}")

    def begin(self):
        """Mines the first blocks, after which the first one's coins can be spent."""
        previous = GENESIS
        for height in range(1, len(NONCES) // 8 + 1):
            nonce = int.from_bytes(bytes.fromhex(NONCES[8 * height - 8:8 * height]), "little")
            block = self.signer.early_block(height, previous, lambda _, nonce=nonce: nonce)
            self.submit(block)
            previous = double(block[:80])

    def mine(self):
        """Mines one block with the node's pending transactions."""
        template = self.rpc("getblocktemplate", {"rules": ["segwit", "signet"]})
        if int(template["bits"], 16) != BITS:
            raise ValueError("the difficulty has changed")
        others = [
            (bytes.fromhex(entry["txid"])[::-1], bytes.fromhex(entry["data"]))
            for entry in template["transactions"]]
        self.submit(self.signer.block(
            template["height"], bytes.fromhex(template["previousblockhash"])[::-1],
            max(int(time.time()), template["mintime"]), template["coinbasevalue"],
            bytes.fromhex(template["default_witness_commitment"]), others, self.find))

    def pay(self, script, amount_sat, fee_sat=10_000):
        """Spends the first block's payout, which needs no signature."""
        coin = bytes.fromhex(
            self.rpc("getblock", self.rpc("getblockhash", 1))["tx"][0])[::-1]
        rest_sat = SUBSIDY_SAT - amount_sat - fee_sat
        outputs = b"".join(
            value.to_bytes(8, "little") + compact(len(code)) + code
            for value, code in [(amount_sat, script), (rest_sat, ANYBODY)])
        spend = (
            b"\x02\0\0\0\0\x01\x01" + coin + bytes(4) + b"\0" + b"\xff" * 4 + b"\x02" + outputs
            + b"\x01\x01\x51" + bytes(4))
        return self.rpc("sendrawtransaction", spend.hex())


def main():
    """Finds and prints the nonces of the first blocks."""
    signer = Signer()
    miner = Miner(signer, None)
    previous, nonces = GENESIS, ""
    for height in range(1, 102):
        block = signer.early_block(height, previous, miner.find)
        previous = double(block[:80])
        nonces += block[76:80].hex()
        print(f'    "{block[76:80].hex()}"', flush=True)
    miner.close()


if __name__ == "__main__":
    main()
