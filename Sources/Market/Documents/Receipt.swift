import Bitcoin
import Bytes
import Channel
import Crypto

/// How a job ended.
public enum ExitKind: UInt8, Equatable, Sendable {
  /// The program returned; the status is its own.
  case exited = 0
  /// A signal ended it; the status is the signal's number.
  case signalled = 1
  case outOfMemory = 2
  case timeLimit = 3
  /// Frozen for lack of payment for longer than the grace time.
  case unpaid = 4
  case stoppedByPublisher = 5
  case stoppedByOwner = 6
  /// The bundle was refused, or the program could not be started; the status is an errno or 0.
  case neverRan = 7
  /// It vanished: power, kernel, or a killed agent.
  case lost = 8

  public var text: String {
    switch self {
    case .exited: return "exited"
    case .signalled: return "signalled"
    case .outOfMemory: return "out-of-memory"
    case .timeLimit: return "time-limit"
    case .unpaid: return "unpaid"
    case .stoppedByPublisher: return "stopped-by-publisher"
    case .stoppedByOwner: return "stopped-by-owner"
    case .neverRan: return "never-ran"
    case .lost: return "lost"
    }
  }
}

/// What was used, owed and paid under a contract. Both sign its digest and keep it.
public struct Receipt: Equatable, Sendable {
  public var contract: Bytes32
  public var usage: UsageVector
  public var owedSat: UInt64
  public var paidSat: UInt64
  public var payments: UInt64
  public var exitKind: ExitKind
  public var exitStatus: Int32
  /// SHA-256 of the results' bytes; zero without results.
  public var resultDigest: Bytes32
  public var startedUnixSeconds: UInt64
  public var endedUnixSeconds: UInt64

  static let version: UInt8 = 2

  public init(
    contract: Bytes32, usage: UsageVector, owedSat: UInt64, paidSat: UInt64, payments: UInt64,
    exitKind: ExitKind, exitStatus: Int32, resultDigest: Bytes32, startedUnixSeconds: UInt64,
    endedUnixSeconds: UInt64
  ) {
    self.contract = contract
    self.usage = usage
    self.owedSat = owedSat
    self.paidSat = paidSat
    self.payments = payments
    self.exitKind = exitKind
    self.exitStatus = exitStatus
    self.resultDigest = resultDigest
    self.startedUnixSeconds = startedUnixSeconds
    self.endedUnixSeconds = endedUnixSeconds
  }

  public var digest: Bytes32 { Sha256.tagged("zennet/receipt", encode()) }

  /// Ed25519 over ``digest``, 64 bytes.
  public func sign(_ identity: Ed25519.KeyPair) -> [UInt8] { identity.sign(digest.array) }

  /// Throws `wrongSignature`.
  public func verify(_ signature: [UInt8], by identity: Bytes32) throws(MarketError) {
    if !Ed25519.verify(signature, of: digest.array, by: identity) {
      throw MarketError.wrongSignature("receipt")
    }
  }

  /// Throws `differs` where the receipt names another contract, or an owed amount that does not
  /// follow from its usage.
  public func check(against contract: Contract) throws(MarketError) {
    if self.contract != contract.id { throw MarketError.differs(field: "contract") }
    if Price.owedSat(contract.rates, usage) != owedSat {
      throw MarketError.differs(field: "owed amount")
    }
    if paidSat > contract.terms.capacitySat { throw MarketError.differs(field: "paid amount") }
  }

  /// Fixed order, little-endian; version byte first.
  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 192)
    writer.u8(Receipt.version)
    writer.append(contract)
    usage.encode(to: &writer)
    writer.u64le(owedSat)
    writer.u64le(paidSat)
    writer.u64le(payments)
    writer.u8(exitKind.rawValue)
    writer.u32le(UInt32(bitPattern: exitStatus))
    writer.append(resultDigest)
    writer.u64le(startedUnixSeconds)
    writer.u64le(endedUnixSeconds)
    return writer.bytes
  }

  /// Throws `malformed` or `refused`, naming the field and the byte.
  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> Receipt {
    var reader = DocumentReader(bytes)
    try reader.version(version)
    let receipt = Receipt(
      contract: try reader.bytes32("contract"), usage: try UsageVector.decode(&reader),
      owedSat: try reader.u64("owed"), paidSat: try reader.u64("paid"),
      payments: try reader.u64("payments"), exitKind: try ExitKind.decode(&reader),
      exitStatus: Int32(bitPattern: try reader.u32("exit status")),
      resultDigest: try reader.bytes32("result digest"),
      startedUnixSeconds: try reader.u64("start"), endedUnixSeconds: try reader.u64("end"))
    if receipt.endedUnixSeconds < receipt.startedUnixSeconds {
      throw reader.refuse("end", at: reader.offset - 8, "before the start")
    }
    try reader.finish()
    return receipt
  }

  public var json: String {
    var text = JsonText()
    text.beginObject()
    text.field("digest", digest.hex)
    text.field("contract", contract.hex)
    text.key("usage")
    text.raw(usage.json)
    text.field("owed_sat", owedSat)
    text.field("paid_sat", paidSat)
    text.field("payments", payments)
    text.field("exit_kind", exitKind.text)
    text.key("exit_status")
    text.value(Int64(exitStatus))
    text.field("result_digest", resultDigest.hex)
    text.field("started_unix_seconds", startedUnixSeconds)
    text.field("ended_unix_seconds", endedUnixSeconds)
    text.endObject()
    return text.string
  }

  /// For people, one fact a line.
  public var lines: [String] {
    [
      "contract   " + contract.hex, "owed       \(owedSat) sat",
      "paid       \(paidSat) sat in \(payments) payments",
      "ended      " + exitKind.text + " \(exitStatus)", "results    " + resultDigest.hex,
    ] + usage.lines
  }
}

extension ExitKind {
  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> ExitKind {
    let start = reader.offset
    guard let kind = ExitKind(rawValue: try reader.u8("exit kind")) else {
      throw reader.refuse("exit kind", at: start, "unknown")
    }
    return kind
  }
}
