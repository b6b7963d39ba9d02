"""Documents and messages, from the field tables of Sources/Market/Protocol.docc."""

import hashlib
import struct

DUST = 330
SHARE, TRAFFIC = "memory:u32 cpus:u32 pids:u32 disk:u32", "disk:u64 network:u64"
RATES = "cpu:u64 memory:u64 read:u64 write:u64 network:u64 reserved:u64"
USAGE = "cpu:u64 memory:u64 peak:u64 read:u64 write:u64 network:u64 wall:u64 frozen:u64"
CONDITIONS = "payout_interval:u32 stop_grace:u32 hold:u32 notice:u32"

# Parts and documents: name:type, in order. [T] is a list with a compact count, <T> one with a byte.
SCHEMAS = {
    "share": SHARE, "traffic": TRAFFIC, "rates": RATES, "usage": USAGE,
    "debt": "lease:b32 amount:u64",
    "lease_usage": "tasks:usage reserved:u64",
    "paid": "channel:u8 amount:u64",
    "paid_state": "channel:u8 sequence:u64 amount:u64",
    "bundle": "digest:b32 size:u64",
    "terms": "version:u8 provider_key:b33 publisher_key:b33 expiry:u32 margin:u32 capacity:u64"
             " reserve:u64 ladder:<u32> payout:short return_key:b33",
    "payment": "sequence:u64 amount:u64 signatures:<short>",
    "signed_close": "amount:u64 signatures:<short>",
    "channel_close": "channel:u8 close:signed_close",
    "line": "number:u32 kind:u8 status:i32 usage:usage result_bytes:u64 result_digest:b32"
            " started:u64",
    "result": "kernel:u8 status:u8 rounds:u32 median:u64 least:u64 most:u64 checksum:u64",
    "report": "version:u16 identity:b32 height:u32 hash:b32 time:u64 architecture:bytes"
              " processors:u16 memory:u32 isolation:u8 results:<result>",
    "offer": "version:u8 network:b32 title:bytes share:share isolation:u8 processors:u16"
             " workers:u16 ceiling:u64 traffic:traffic payout_interval:u32 max_loss:u64"
             " stop_grace:u32 hold:u32 notice:u32 channel_blocks:u32 margin:u32 depth:u32"
             " ladder:[u32]",
    "bid": "version:u8 offer:b32 provider:b32 report:b32 rates:rates max_loss:u64"
           " first_payment:u64 payout:bytes key:b33 debt:debt",
    "contract": "version:u8 offer:b32 bid:b32 publisher:b32 provider:b32 worker:u16 share:share"
                " rates:rates terms:terms provider_loss:u64 publisher_loss:u64 first_payment:u64"
                f" ceiling:u64 traffic:traffic {CONDITIONS} depth:u32 debt:debt",
    "top-up": "version:u8 contract:b32 number:u8 terms:terms",
    "statement": "version:u8 contract:b32 lines:u32 last_task:u32 chain:b32 usage:lease_usage"
                 " owed:u64 paid:[paid] final:u8",
}
MESSAGES = {
    2: ("hello", "version:u16 features:u64 subject:u8 id:b32"),
    4: ("welcome", "version:u16 features:u64"),
    6: ("offer", "offer:bytes"),
    8: ("bid", "report:bytes bid:bytes signature:b64"),
    10: ("contract", "contract:bytes signature:b64"),
    12: ("accept", "signature:b64 next_key:b33"),
    14: ("refuse", "code:u8 reason:bytes"),
    16: ("state", "last_task:u32 lines:u32 chain:b32 reserved:u64 paid:[paid_state] ending:u8"),
    18: ("funding", "channel:u8 transaction:bytes output:u32"),
    20: ("funding_state", "channel:u8 sight:u8 height:rest"),
    22: ("task", "number:u32 bundles:[bundle] arguments:[bytes] environment:[bytes] folder:bytes"
                 f" {SHARE} wall:u64 stop:u32 has_input:u8 result_path:bytes most_result:u64"),
    24: ("task_state", "number:u32 state:u8 more:rest"),
    26: ("task_ended", "line:line"),
    28: ("lines_stored", "count:u32"),
    30: ("task_stop", "number:u32 reason:bytes"),
    32: ("usage", "sequence:u64 usage:lease_usage owed:u64"),
    34: ("payment", "channel:u8 payment:payment"),
    36: ("payment_stored", "channel:u8 sequence:u64"),
    38: ("statement", "statement:bytes signature:b64"),
    40: ("statement_signed", "digest:b32 signature:b64"),
    42: ("end", "reason:bytes"),
    44: ("leaving", "notice:u32 reason:bytes"),
    46: ("receipt", "statement:bytes signature:b64 closes:[channel_close]"),
    48: ("receipt_signed", "signature:b64"),
    50: ("close_wanted", "channel:u8 rung:u8"),
    52: ("close_signed", "close:channel_close"),
    54: ("standing", "standing:u8 reason:bytes"),
    56: ("top_up", "top_up:bytes signature:b64"),
    58: ("top_up_accepted", "channel:u8 signature:b64 next_key:b33"),
    59: ("top_up_wanted", "rate:u32"),
    60: ("execute", "session:u32 task:u32 kind:u8 rows:u16 columns:u16 terminal:u8"
                    " arguments:[bytes] environment:[bytes] folder:bytes"),
    62: ("exec_started", "session:u32"),
    64: ("exec_ended", "session:u32 kind:u8 status:i32"),
    66: ("exec_signal", "session:u32 signal:u8"),
    68: ("exec_resize", "session:u32 rows:u16 columns:u16"),
}
TYPES = {name: number for number, (name, _) in MESSAGES.items()}
NUMBERS = {"u8": "<B", "u16": "<H", "u32": "<I", "u64": "<Q", "i32": "<i"}


def sha256(data):
    return hashlib.sha256(data).digest()


def tagged(tag, message):
    return sha256(sha256(tag.encode()) * 2 + message)


class Malformed(Exception):
    """Bytes that are no document."""


class Reader:
    def __init__(self, data):
        self.data, self.at = bytes(data), 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Malformed(f"{count} bytes at {self.at} of {len(self.data)}")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, kind):
        return struct.unpack(NUMBERS[kind], self.take(struct.calcsize(NUMBERS[kind])))[0]

    def compact(self):
        first = self.number("u8")
        if first < 253:
            return first
        value = self.number({253: "u16", 254: "u32", 255: "u64"}[first])
        if value < {253: 253, 254: 1 << 16, 255: 1 << 32}[first]:
            raise Malformed("a number longer than needed")
        return value

    def value(self, kind):
        if kind in NUMBERS:
            return self.number(kind)
        if kind[0] in "[<":
            count = self.compact() if kind[0] == "[" else self.number("u8")
            return [self.value(kind[1:-1]) for _ in range(count)]
        if kind in ("bytes", "short"):
            return self.take(self.compact() if kind == "bytes" else self.number("u8"))
        if kind == "rest":
            return self.take(len(self.data) - self.at)
        if kind in SCHEMAS:
            return self.fields(SCHEMAS[kind])
        return self.take(int(kind[1:]))

    def fields(self, schema):
        return {name: self.value(kind) for name, kind in (x.split(":") for x in schema.split())}

    def finish(self):
        if self.at != len(self.data):
            raise Malformed("bytes follow the end")


def compact(value):
    for limit, head, kind in ((253, b"", "<B"), (1 << 16, b"\xfd", "<H"), (1 << 32, b"\xfe", "<I")):
        if value < limit:
            return head + struct.pack(kind, value)
    return b"\xff" + struct.pack("<Q", value)


def encoded(kind, value):
    if kind in NUMBERS:
        return struct.pack(NUMBERS[kind], value)
    if kind[0] in "[<":
        count = compact(len(value)) if kind[0] == "[" else bytes([len(value)])
        return count + b"".join(encoded(kind[1:-1], entry) for entry in value)
    if kind in SCHEMAS:
        return written(SCHEMAS[kind], value)
    if kind == "bytes":
        return compact(len(value)) + value
    if kind == "short":
        return bytes([len(value)]) + value
    if kind != "rest" and len(value) != int(kind[1:]):
        raise Malformed(f"{len(value)} bytes for {kind}")
    return value


def written(schema, values):
    return b"".join(encoded(kind, values[name]) for name, kind in
                    (x.split(":") for x in schema.split()))


def decoded(kind, data):
    reader = Reader(data)
    value = reader.value(kind)
    reader.finish()
    return value


def message(name, **fields):
    return bytes([TYPES[name]]) + written(MESSAGES[TYPES[name]][1], fields)


def read_message(data):
    """The message's name and fields; None for an odd type that these pages do not name."""
    number = data[0]
    if number not in MESSAGES:
        if number % 2 == 0:
            raise Malformed(f"message type {number}")
        return None, {}
    reader = Reader(data[1:])
    fields = reader.fields(MESSAGES[number][1])
    reader.finish()
    return MESSAGES[number][0], fields


# Announcements (Chain.md)

FIELDS = {2: ("publisher", "b32"), 4: ("endpoint", "rest"), 6: ("workers", "u16"),
          8: ("processors", "u16"), 10: ("memory", "u32"), 12: ("isolation", "u8"),
          14: ("ceiling", "u64"), 16: ("payout_interval", "u32"), 18: ("expiry", "u32"),
          20: ("offer", "b32")}
PROCESSORS = {"x86_64": 1, "i686": 2, "armv6l": 4, "armv7l": 12, "armv8l": 12, "aarch64": 16,
              "riscv64": 32}


def announcement(values):
    parts = [(number, encoded(kind, values[name])) for number, (name, kind) in FIELDS.items()]
    return b"ZN\x01" + b"".join(bytes([number, len(v)]) + v for number, v in parts)


def read_announcement(data):
    reader = Reader(data)
    if len(data) > 220 or reader.take(3) != b"ZN\x01":
        raise Malformed("no announcement")
    values, last = {}, -1
    while reader.at < len(data):
        number, length = reader.number("u8"), reader.number("u8")
        if number <= last or (number % 2 == 0 and number not in FIELDS):
            raise Malformed(f"field {number}")
        last, value = number, reader.take(length)
        if number in FIELDS:
            values[FIELDS[number][0]] = decoded(FIELDS[number][1], value)
    if len(values) != len(FIELDS):
        raise Malformed("a field is missing")
    return values


# Money (Prices.md, Receipts.md)

PRICED = ("cpu", "memory", "read", "write", "network")


def owed(rates, usage, debt=0):
    total = sum(rates[name] * usage["tasks"][name] for name in PRICED)
    return -(-(total + rates["reserved"] * usage["reserved"]) // 10**12) + debt


def worst_hour(rates, share, traffic):
    hour = 3_600_000
    tasks = {"cpu": hour * share["cpus"] // 1000, "memory": hour * share["memory"],
             "read": traffic["disk"], "write": traffic["disk"], "network": traffic["network"]}
    return owed(rates, {"tasks": tasks, "reserved": hour})


def chain_of_lines(lines):
    value = bytes(32)
    for line in lines:
        value = tagged("zennet/line", value + encoded("line", line))
    return value


def task_key(contract, number):
    return tagged("zennet/task", contract + struct.pack("<I", number))


NO_USAGE = dict.fromkeys(("cpu", "memory", "peak", "read", "write", "network", "wall", "frozen"), 0)
