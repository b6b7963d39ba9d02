import Bytes
import Channel
import Market

/// One channel of a lease. Its payment state is stored separately.
public struct LeaseChannelRecord: Equatable, Sendable {
  /// The wallet's key derivation index.
  public var channelIndex: UInt32
  /// The document that opened the channel; nil for the contract's own channel.
  public var topUp: Signed<TopUp>?

  public init(channelIndex: UInt32, topUp: Signed<TopUp>? = nil) {
    self.channelIndex = channelIndex
    self.topUp = topUp
  }
}

/// The documents of a lease: stored at the contract, its acceptance and each top-up.
public struct LeaseRecord: Equatable, Sendable {
  public var pool: Bytes32
  /// Lacks the provider's signature until the provider accepts.
  public var contract: Signed<Contract>
  /// The provider's capability report, as received.
  public var report: [UInt8]
  /// The tip when the contract was made; the funding confirms above it.
  public var startHeight: UInt32
  /// Indexed by the channel's number.
  public var channels: [LeaseChannelRecord]
  /// The provider's key for the next channel; empty until it accepts.
  public var nextProviderKey: [UInt8]

  static let version: UInt8 = 1

  public init(
    pool: Bytes32, contract: Signed<Contract>, report: [UInt8], startHeight: UInt32,
    channels: [LeaseChannelRecord], nextProviderKey: [UInt8] = []
  ) {
    self.pool = pool
    self.contract = contract
    self.report = report
    self.startHeight = startHeight
    self.channels = channels
    self.nextProviderKey = nextProviderKey
  }

  /// The terms of a channel.
  public func terms(_ number: Int) -> ChannelTerms {
    channels[number].topUp?.body.terms ?? contract.body.terms
  }

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 4096)
    writer.u8(LeaseRecord.version)
    writer.append(pool)
    writer.lengthPrefixed(contract.encode())
    writer.lengthPrefixed(report)
    writer.u32le(startHeight)
    writer.u8(UInt8(channels.count))
    for channel in channels {
      writer.u32le(channel.channelIndex)
      writer.lengthPrefixed(channel.topUp?.encode() ?? [])
    }
    writer.lengthPrefixed(nextProviderKey)
    return writer.bytes
  }

  /// Returns nil for damaged bytes or an unknown version.
  public static func decode(_ bytes: [UInt8]) -> LeaseRecord? {
    RecordReader.read(bytes, version: version) { reader in
      let pool = try reader.bytes32()
      guard let contract = try reader.signed(Contract.self) else { return nil }
      var record = LeaseRecord(
        pool: pool, contract: contract, report: try reader.document(),
        startHeight: try reader.u32le(), channels: [])
      for number in 0..<(try reader.u8()) {
        let index = try reader.u32le()
        let topUp = try reader.signed(TopUp.self)
        if (topUp == nil) != (number == 0) { return nil }
        record.channels.append(LeaseChannelRecord(channelIndex: index, topUp: topUp))
      }
      record.nextProviderKey = try reader.lengthPrefixed(limit: 33)
      return record.channels.isEmpty ? nil : record
    }
  }
}
