import Bitcoin
import Bytes

/// Where one side of a lease stands, so that both can go on after a broken connection.
public struct LeaseState: Equatable, Sendable {
  /// The last payment of a channel: stored (provider) or signed (publisher).
  public struct Paid: Equatable, Sendable {
    public var channel: UInt8
    public var sequence: UInt64
    public var amountSat: UInt64

    public init(channel: UInt8, sequence: UInt64, amountSat: UInt64) {
      self.channel = channel
      self.sequence = sequence
      self.amountSat = amountSat
    }
  }

  /// The highest task number that was stored (provider) or sent (publisher); 0 for none.
  public var lastTask: UInt32
  /// Lines that were made (provider) or stored (publisher), and the chain's value after them.
  public var lines: UInt32
  public var chain: Bytes32
  /// This side's count.
  public var reservedMs: UInt64
  /// In ascending order of channels; one for each channel that the side knows.
  public var paid: [Paid]
  /// The side wants the lease to end.
  public var isEnding: Bool

  public init(
    lastTask: UInt32, lines: UInt32, chain: Bytes32, reservedMs: UInt64, paid: [Paid],
    isEnding: Bool
  ) {
    self.lastTask = lastTask
    self.lines = lines
    self.chain = chain
    self.reservedMs = reservedMs
    self.paid = paid
    self.isEnding = isEnding
  }

  func encode(to writer: inout ByteWriter) {
    writer.u32le(lastTask)
    writer.u32le(lines)
    writer.append(chain)
    writer.u64le(reservedMs)
    writer.compactSize(paid.count)
    for entry in paid {
      writer.u8(entry.channel)
      writer.u64le(entry.sequence)
      writer.u64le(entry.amountSat)
    }
    writer.u8(isEnding ? 1 : 0)
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> LeaseState {
    LeaseState(
      lastTask: try reader.u32("last task"), lines: try reader.u32("lines"),
      chain: try reader.bytes32("chain"), reservedMs: try reader.u64("reserved time"),
      paid: try readPaid(&reader), isEnding: try reader.bool("ending"))
  }

  private static func readPaid(_ reader: inout DocumentReader) throws(MarketError) -> [Paid] {
    var paid: [Paid] = []
    for _ in 0..<(try reader.count("channels", 0...Limits.maxChannels)) {
      let start = reader.offset
      let entry = Paid(
        channel: try reader.u8("channel", 0...UInt8(Limits.maxChannels - 1)),
        sequence: try reader.u64("payment"), amountSat: try reader.u64("paid"))
      if let last = paid.last, entry.channel <= last.channel {
        throw reader.refuse("channel", at: start, "the channels do not ascend")
      }
      paid.append(entry)
    }
    return paid
  }
}
