import Bitcoin
import Bytes
import Crypto

/// What a lease came to so far: the receipt of its tasks in groups, and at the end of the lease.
public struct Statement: SignedBody {
  /// What one channel was paid, by its number.
  public struct Paid: Equatable, Sendable {
    public var channel: UInt8
    public var amountSat: UInt64

    public init(channel: UInt8, amountSat: UInt64) {
      self.channel = channel
      self.amountSat = amountSat
    }
  }

  public var contract: Bytes32
  /// How many lines the chain has.
  public var lines: UInt32
  /// The highest task number among them; 0 without lines.
  public var lastTask: UInt32
  /// ``TaskLine/chain(after:)`` of all lines.
  public var chain: Bytes32
  public var usage: LeaseUsage
  /// Debt included.
  public var owedSat: UInt64
  /// In ascending order of the channels' numbers; those that were paid nothing are left out.
  public var paid: [Paid]
  /// Nothing more will be owed.
  public var isFinal: Bool

  public static let name: StaticReason = "statement"
  public static let tag = "zennet/statement"
  static let version: UInt8 = 3

  public init(
    contract: Bytes32, lines: UInt32, lastTask: UInt32, chain: Bytes32, usage: LeaseUsage,
    owedSat: UInt64, paid: [Paid], isFinal: Bool
  ) {
    self.contract = contract
    self.lines = lines
    self.lastTask = lastTask
    self.chain = chain
    self.usage = usage
    self.owedSat = owedSat
    self.paid = paid
    self.isFinal = isFinal
  }

  public var paidSat: UInt64 {
    var sum: UInt64 = 0
    for entry in paid { sum += entry.amountSat }
    return sum
  }

  /// Throws `differs` where the statement names another contract, or an owed amount that does not
  /// follow from its usage.
  public func check(against contract: Contract) throws(MarketError) {
    if self.contract != contract.id { throw MarketError.differs(field: "contract") }
    if contract.owedSat(usage) != owedSat { throw MarketError.differs(field: "owed amount") }
  }

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 256)
    writer.u8(Statement.version)
    writer.append(contract)
    writer.u32le(lines)
    writer.u32le(lastTask)
    writer.append(chain)
    usage.encode(to: &writer)
    writer.u64le(owedSat)
    writer.compactSize(paid.count)
    for entry in paid {
      writer.u8(entry.channel)
      writer.u64le(entry.amountSat)
    }
    writer.u8(isFinal ? 1 : 0)
    return writer.bytes
  }

  /// Throws `malformed` or `refused`, naming the field and the byte.
  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> Statement {
    var reader = DocumentReader(bytes)
    try reader.version(version)
    let statement = Statement(
      contract: try reader.bytes32("contract"), lines: try reader.u32("lines"),
      lastTask: try reader.u32("last task"), chain: try reader.bytes32("chain"),
      usage: try LeaseUsage.decode(&reader), owedSat: try reader.u64("owed"),
      paid: try readPaid(&reader), isFinal: try reader.bool("final"))
    try reader.finish()
    return statement
  }

  private static func readPaid(_ reader: inout DocumentReader) throws(MarketError) -> [Paid] {
    var paid: [Paid] = []
    for _ in 0..<(try reader.count("channels", 0...Limits.maxChannels)) {
      let start = reader.offset
      let entry = Paid(
        channel: try reader.u8("channel", 0...UInt8(Limits.maxChannels - 1)),
        amountSat: try reader.u64("paid", Limits.amountSat))
      if let last = paid.last, entry.channel <= last.channel {
        throw reader.refuse("channel", at: start, "the channels do not ascend")
      }
      paid.append(entry)
    }
    return paid
  }

  public var json: String {
    var text = JsonText()
    text.beginObject()
    text.field("digest", digest.hex)
    text.field("contract", contract.hex)
    text.field("lines", UInt64(lines))
    text.field("last_task", UInt64(lastTask))
    text.field("chain", chain.hex)
    text.key("usage")
    text.raw(usage.json)
    text.field("owed_sat", owedSat)
    text.field("paid_sat", paidSat)
    text.field("final", isFinal)
    text.endObject()
    return text.string
  }
}

extension Contract {
  /// What a lease with this usage owes, the named debt included. Nil where it does not fit 64 bits.
  public func owedSat(_ usage: LeaseUsage) -> UInt64? {
    guard let useSat = Price.owedSat(rates, usage) else { return nil }
    let (sum, overflow) = useSat.addingReportingOverflow(debt?.amountSat ?? 0)
    return overflow ? nil : sum
  }
}
