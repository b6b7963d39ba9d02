import Bitcoin
import Bytes
import Channel

/// Fixed order, little-endian, CompactSize counts and lengths; version byte first.
extension Offer {
  static let version: UInt8 = 1
  public static let maxArguments = 64
  public static let maxArgumentBytes = 4096
  public static let maxTitleBytes = 120

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 512)
    writer.u8(Offer.version)
    writer.append(network)
    writer.lengthPrefixed(title)
    writer.compactSize(arguments.count)
    for argument in arguments { writer.lengthPrefixed(argument) }
    writer.compactSize(environment.count)
    for variable in environment { writer.lengthPrefixed(variable) }
    writer.lengthPrefixed(workdir)
    limits.encode(to: &writer)
    writer.u8(isolation.rawValue)
    writer.u16le(processors.rawValue)
    writer.u16le(workers)
    writer.u64le(priceCeilingSatPerHour)
    writer.u32le(payoutIntervalMs)
    writer.u64le(providerMaxLossSat)
    writer.u64le(publisherMaxLossSat)
    writer.u64le(openingPaymentSat)
    writer.u32le(graceMs)
    writer.u32le(channelBlocks)
    writer.u32le(fundingDepth)
    writer.compactSize(feeLadderSatPerVb.count)
    for rate in feeLadderSatPerVb { writer.u32le(rate) }
    writer.u64le(maxBundleBytes)
    writer.u64le(maxResultBytes)
    return writer.bytes
  }

  /// Throws `malformed` or `refused`, naming the field and the byte.
  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> Offer {
    var reader = DocumentReader(bytes)
    if bytes.count > Limits.maxDocumentBytes {
      throw reader.refuse("offer", at: Limits.maxDocumentBytes, "longer than 60,000 bytes")
    }
    try reader.version(version)
    let network = try reader.bytes32("network")
    let title = try plainText(&reader, "title", 0...maxTitleBytes)
    let arguments = try strings(&reader, "arguments", 1...maxArguments)
    if arguments[0].isEmpty {
      throw reader.refuse("arguments", at: reader.offset, "the program has no name")
    }
    let environment = try readEnvironment(&reader)
    let workdir = try readWorkdir(&reader)
    var offer = Offer(
      network: network, title: title, arguments: arguments, environment: environment,
      workdir: workdir, limits: try ResourceLimits.decode(&reader),
      isolation: IsolationWanted(rawValue: try reader.u8("isolation", 0...2)) ?? .full,
      processors: ProcessorSet(rawValue: try reader.u16("processors", 1...UInt16.max)),
      workers: try reader.u16("workers", 1...UInt16.max),
      priceCeilingSatPerHour: try reader.u64("price ceiling", Limits.amountSat),
      payoutIntervalMs: try reader.u32("payout interval", Limits.payoutIntervalMs),
      providerMaxLossSat: try reader.u64("provider's loss", Limits.amountSat),
      publisherMaxLossSat: try reader.u64("publisher's loss", Limits.amountSat),
      openingPaymentSat: try reader.u64("opening payment", Amount.dustSat...Amount.maxSat),
      graceMs: try reader.u32("grace time", Limits.graceMs),
      channelBlocks: try reader.u32("channel lifetime", Limits.lifetimeBlocks),
      fundingDepth: try reader.u32("funding depth", Limits.fundingDepth),
      feeLadderSatPerVb: [], maxBundleBytes: 0, maxResultBytes: 0)
    if offer.openingPaymentSat > offer.publisherMaxLossSat {
      throw reader.refuse(
        "opening payment", at: reader.offset, "above what the publisher may lose")
    }
    offer.feeLadderSatPerVb = try readLadder(&reader)
    offer.maxBundleBytes = try reader.u64("bundle size", 1...Limits.maxBundleBytes)
    offer.maxResultBytes = try reader.u64("result size", 0...Limits.maxBundleBytes)
    try reader.finish()
    return offer
  }

  private static func plainText(
    _ reader: inout DocumentReader, _ field: StaticReason, _ range: ClosedRange<Int>
  ) throws(MarketError) -> [UInt8] {
    let start = reader.offset
    let text = try reader.bytes(field, range)
    if !TextRules.isPlain(text) { throw reader.refuse(field, at: start, "not plain text") }
    return text
  }

  static func strings(
    _ reader: inout DocumentReader, _ field: StaticReason, _ range: ClosedRange<Int>
  ) throws(MarketError) -> [[UInt8]] {
    let count = try reader.count(field, range)
    var strings: [[UInt8]] = []
    for _ in 0..<count {
      let start = reader.offset
      let string = try reader.bytes(field, 0...maxArgumentBytes)
      if TextRules.hasZero(string) { throw reader.refuse(field, at: start, "holds a zero byte") }
      strings.append(string)
    }
    return strings
  }

  static func readEnvironment(
    _ reader: inout DocumentReader
  ) throws(MarketError) -> [[UInt8]] {
    let start = reader.offset
    let variables = try strings(&reader, "environment", 0...maxArguments)
    for variable in variables {
      guard let equals = variable.firstIndex(of: 0x3d), equals > 0 else {
        throw reader.refuse("environment", at: start, "not of the form NAME=value")
      }
    }
    return variables
  }

  private static func readWorkdir(_ reader: inout DocumentReader) throws(MarketError) -> [UInt8] {
    let start = reader.offset
    let path = try reader.bytes("workdir", 1...Limits.maxTextBytes)
    if path[0] != 0x2f || TextRules.hasZero(path) {
      throw reader.refuse("workdir", at: start, "not an absolute path")
    }
    return path
  }

  private static func readLadder(_ reader: inout DocumentReader) throws(MarketError) -> [UInt32] {
    let start = reader.offset
    var ladder: [UInt32] = []
    let rungs = try reader.count("fee ladder", 1...ChannelTerms.maxRungs)
    for _ in 0..<rungs {
      let rate = try reader.u32("fee ladder", 1...ChannelTerms.maxFeeRateSatPerVb)
      if let last = ladder.last, rate <= last {
        throw reader.refuse("fee ladder", at: start, "the rungs do not ascend")
      }
      ladder.append(rate)
    }
    return ladder
  }
}
