import Bytes
import Market

/// What is kept on disk of a hire from the contract on. The channel's state, which is money, is kept
/// apart (`PublisherChannel`).
public struct HireRecord: Equatable, Sendable {
  public var stage: HireStage
  /// Which run this belongs to.
  public var run: Bytes32
  /// The provider's signature is zeros until it came.
  public var contract: SignedContract
  /// The machine's capability report as it came.
  public var report: [UInt8]
  /// Whether the report is signed by the machine that bid.
  public var reportIsSigned: Bool
  /// From which the channel's secret is derived.
  public var channelIndex: UInt32
  /// The tip when the contract was made: the funding is not below it.
  public var startHeight: UInt32
  /// When the opening payment was signed; 0 before. Seconds since 1970.
  public var openedUnixSeconds: UInt64 = 0
  public var usage = UsageVector()
  public var owedSat: UInt64 = 0
  public var exit: JobExit?
  /// The results are whole and durable on this machine.
  public var resultsAreHeld = false
  public var receipt: SignedReceipt?

  static let version: UInt8 = 2

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 2048)
    writer.u8(HireRecord.version)
    writer.u8(stage.rawValue)
    writer.append(run)
    writer.lengthPrefixed(contract.encode())
    writer.lengthPrefixed(report)
    writer.u8(reportIsSigned ? 1 : 0)
    writer.u32le(channelIndex)
    writer.u32le(startHeight)
    writer.u64le(openedUnixSeconds)
    usage.encode(to: &writer)
    writer.u64le(owedSat)
    writer.u8(exit == nil ? 0 : 1)
    if let exit {
      writer.u8(exit.kind.rawValue)
      writer.u32le(UInt32(bitPattern: exit.status))
      writer.u64le(exit.resultBytes)
      writer.append(exit.resultDigest)
    }
    writer.u8(resultsAreHeld ? 1 : 0)
    writer.lengthPrefixed(receipt?.encode() ?? [])
    return writer.bytes
  }

  /// Nil for bytes that are no record: a damaged disk, or a later version.
  public static func decode(_ bytes: [UInt8]) -> HireRecord? {
    var reader = ByteReader(bytes)
    return try? read(&reader)
  }

  private static func read(_ reader: inout ByteReader) throws -> HireRecord? {
    guard try reader.u8() == version, let stage = HireStage(rawValue: try reader.u8()) else {
      return nil
    }
    let run = try reader.bytes32()
    let contract = try SignedContract.decode(try reader.lengthPrefixed(limit: 4096))
    var record = HireRecord(
      stage: stage, run: run, contract: contract,
      report: try reader.lengthPrefixed(limit: Limits.maxDocumentBytes),
      reportIsSigned: try reader.u8() == 1, channelIndex: try reader.u32le(),
      startHeight: try reader.u32le())
    record.openedUnixSeconds = try reader.u64le()
    record.usage = try UsageVector(&reader)
    record.owedSat = try reader.u64le()
    if try reader.u8() == 1 {
      guard let kind = ExitKind(rawValue: try reader.u8()) else { return nil }
      record.exit = JobExit(
        kind: kind, status: Int32(bitPattern: try reader.u32le()),
        resultBytes: try reader.u64le(), resultDigest: try reader.bytes32())
    }
    record.resultsAreHeld = try reader.u8() == 1
    let receipt = try reader.lengthPrefixed(limit: 4096)
    if !receipt.isEmpty { record.receipt = try SignedReceipt.decode(receipt) }
    try reader.finish()
    return record
  }
}
