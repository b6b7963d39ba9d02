"""The session (Session.md): Noise XK, frames, streams with credit."""

import hashlib
import os
import select
import socket
import struct
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from noise.connection import Keypair, NoiseConnection

import codec

PRIME = 2**255 - 19
PROOF = b"zennet/1 session identity"
IDENTITY, CONTROL, PART, OPEN, DATA, END, RESET, CREDIT, PING, PONG, CLOSE = range(11)
INPUT, OUTPUT, ERROR, TERMINAL, FILE_IN, FILE_OUT = range(1, 7)
WINDOW = 1 << 18


class Ended(Exception):
    """The other party ended the connection, or broke the rules of the session."""


class Identity:
    """An Ed25519 key pair, and its form for key agreement."""

    def __init__(self, seed=None):
        self.seed = seed or os.urandom(32)
        self.key = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.public = self.key.public_key().public_bytes_raw()

    def sign(self, message):
        return self.key.sign(message)

    def sign_document(self, kind, body):
        return self.sign(codec.tagged(f"zennet/{kind}", body))

    @property
    def agreement_secret(self):
        return hashlib.sha512(self.seed).digest()[:32]


def agreement_key(identity):
    y = int.from_bytes(identity, "little") & (2**255 - 1)
    return ((1 + y) * pow(1 - y, -1, PRIME) % PRIME).to_bytes(32, "little")


def is_signed(signature, message, identity):
    try:
        Ed25519PublicKey.from_public_bytes(identity).verify(signature, message)
    except InvalidSignature:
        return False
    return True


class Session:
    """One end of a connection that is up. `peer` is the identity that a provider dials; `ephemeral` is for
    vectors only."""

    def __init__(self, sock, identity, peer=None, ephemeral=None):
        self.sock, self.is_initiator = sock, peer is not None
        self.inbound, self.parts = bytearray(), b""
        self.next_stream, self.credit, self.queues, self.kinds = 2 - self.is_initiator, {}, {}, {}
        sock.settimeout(20)
        noise = self.noise = NoiseConnection.from_name(b"Noise_XK_25519_ChaChaPoly_SHA256")
        noise.set_prologue(b"zennet/1 session")
        noise.set_keypair_from_private_bytes(Keypair.STATIC, identity.agreement_secret)
        if self.is_initiator:
            noise.set_as_initiator()
            noise.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, agreement_key(peer))
        else:
            noise.set_as_responder()
        if ephemeral:
            noise.set_keypair_from_private_bytes(Keypair.EPHEMERAL, ephemeral)
        noise.start_handshake()
        state = noise.noise_protocol.handshake_state
        for turn in range(3):
            if (turn % 2 == 0) == self.is_initiator:
                self.write(bytes(noise.write_message()))
            else:
                noise.read_message(self.exactly(struct.unpack(">H", self.exactly(2))[0]))
        proof = PROOF + bytes([1 if self.is_initiator else 2]) + noise.get_handshake_hash()
        self.frame(IDENTITY, 0, identity.public + identity.sign(proof))
        kind, _, payload = self.read_frame(self.exactly(struct.unpack(">H", self.exactly(2))[0]))
        self.peer = payload[:32]
        proof = PROOF + bytes([2 if self.is_initiator else 1]) + noise.get_handshake_hash()
        if (kind != IDENTITY or self.peer != (peer or self.peer)
                or agreement_key(self.peer) != state.rs.public_bytes
                or not is_signed(payload[32:], proof, self.peer)):
            raise Ended("the other party does not prove its identity")

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise Ended("the connection ended in the handshake")
            data += more
        return data

    def write(self, data):
        self.sock.sendall(struct.pack(">H", len(data)) + data)

    # Frames

    def frame(self, kind, stream, payload=b""):
        cipher = self.noise.noise_protocol.cipher_state_encrypt
        self.write(cipher.encrypt_with_ad(b"", struct.pack("<BI", kind, stream) + payload))
        if cipher.n % 65_536 == 0:
            cipher.rekey()

    def read_frame(self, data):
        cipher = self.noise.noise_protocol.cipher_state_decrypt
        plain = cipher.decrypt_with_ad(b"", bytes(data))
        if cipher.n % 65_536 == 0:
            cipher.rekey()
        return *struct.unpack("<BI", plain[:5]), plain[5:]

    def say(self, name, **fields):
        data = codec.message(name, **fields)
        while len(data) > 16_384:
            self.frame(PART, 0, data[:16_384])
            data = data[16_384:]
        self.frame(CONTROL, 0, data)

    # Streams

    def open(self, kind, key, offset=0):
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.kinds[stream] = (kind, key)
        self.frame(OPEN, stream, struct.pack("<B32sQQI", kind, key, 0, offset, WINDOW))
        return stream

    def send(self, stream, data, ends=True):
        self.queues[stream] = (self.queues.get(stream, (b"", False))[0] + data, ends)
        self.pump(stream)

    def pump(self, stream):
        data, ends = self.queues.get(stream, (b"", False))
        while data and self.credit.get(stream, 0) > 0:
            count = min(len(data), self.credit[stream], 16_384)
            self.frame(DATA, stream, data[:count])
            data, self.credit[stream] = data[count:], self.credit[stream] - count
        self.queues[stream] = (data, ends)
        if ends and not data:
            del self.queues[stream]
            self.frame(END, stream)

    # What comes: (name, fields) of messages, ("open" | "data" | "over", {stream, ...}) of streams

    def received(self):
        chunk = self.sock.recv(1 << 20)
        if not chunk:
            raise Ended("the connection ended")
        self.inbound += chunk
        while len(self.inbound) >= 2:
            length = struct.unpack(">H", self.inbound[:2])[0]
            if len(self.inbound) < 2 + length:
                return
            frame = self.read_frame(self.inbound[2:2 + length])
            del self.inbound[:2 + length]
            yield from self.event(*frame)

    def event(self, kind, stream, payload):
        if kind in (CONTROL, PART):
            self.parts += payload
            if kind == CONTROL:
                data, self.parts = self.parts, b""
                name, fields = codec.read_message(data)
                if name == "refuse":
                    raise Ended(f"refused ({fields['code']}): {fields['reason'].decode()}")
                if name:
                    yield name, fields
        elif kind == OPEN:
            what, key, _, offset, credit = struct.unpack("<B32sQQI", payload)
            self.kinds[stream], self.credit[stream] = (what, key), credit
            yield "open", {"stream": stream, "kind": what, "key": key, "offset": offset}
        elif kind == DATA:
            self.frame(CREDIT, stream, struct.pack("<I", len(payload)))
            yield "data", {"stream": stream, "data": payload}
        elif kind in (END, RESET):
            yield "over", {"stream": stream, "is_reset": kind == RESET}
        elif kind == CREDIT:
            self.credit[stream] = self.credit.get(stream, 0) + struct.unpack("<I", payload)[0]
            if stream in self.queues:
                self.pump(stream)
        elif kind == PING:
            self.frame(PONG, 0, payload)
        elif kind == CLOSE:
            raise Ended(f"closed by the other party with {payload[0]}")

    def close(self):
        self.frame(CLOSE, 0, b"\0")
        self.sock.close()


def run(sources, is_done, seconds=150):
    """Hands what comes on each source's socket to its `take`, until `is_done()`."""
    end = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > end:
            raise TimeoutError("gave up waiting")
        ready, _, _ = select.select([source.sock for source in sources()], [], [], 0.1)
        for source in sources():
            if source.sock in ready:
                source.take()


def listen(port):
    server = socket.create_server(("127.0.0.1", port))
    server.settimeout(60)
    return server
