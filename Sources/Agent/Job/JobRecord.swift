import Bytes
import Channel
import Market

/// What is kept on disk of a job from the contract on. The channel's state, which is money, is kept
/// apart (`ProviderChannel`).
public struct JobRecord: Equatable, Sendable {
  public var stage: JobStage
  /// Wire byte order.
  public var announcementTxid: Bytes32
  public var endpoint: Endpoint
  public var offer: Offer
  public var contract: SignedContract
  /// From which the channel's secret is derived.
  public var channelNonce: Bytes32
  /// The tip when the contract was signed: the funding is not below it.
  public var startHeight: UInt32
  public var usage = UsageVector()
  public var exit: JobExit?
  public var receipt: SignedReceipt?
  /// Seconds since 1970; 0 before.
  public var startedUnixSeconds: UInt64 = 0
  public var endedUnixSeconds: UInt64 = 0

  static let version: UInt8 = 2

  init(
    stage: JobStage, announcementTxid: Bytes32, endpoint: Endpoint, offer: Offer,
    contract: SignedContract, channelNonce: Bytes32, startHeight: UInt32
  ) {
    self.stage = stage
    self.announcementTxid = announcementTxid
    self.endpoint = endpoint
    self.offer = offer
    self.contract = contract
    self.channelNonce = channelNonce
    self.startHeight = startHeight
  }

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 1024)
    writer.u8(JobRecord.version)
    writer.u8(stage.rawValue)
    writer.append(announcementTxid)
    writer.lengthPrefixed(endpoint.host)
    writer.u16le(endpoint.port)
    writer.lengthPrefixed(offer.encode())
    writer.lengthPrefixed(contract.encode())
    writer.append(channelNonce)
    writer.u32le(startHeight)
    usage.encode(to: &writer)
    writer.u64le(startedUnixSeconds)
    writer.u64le(endedUnixSeconds)
    writer.u8(exit == nil ? 0 : 1)
    if let exit {
      writer.u8(exit.kind.rawValue)
      writer.u32le(UInt32(bitPattern: exit.status))
      writer.u64le(exit.resultBytes)
      writer.append(exit.resultDigest)
    }
    writer.lengthPrefixed(receipt?.encode() ?? [])
    return writer.bytes
  }

  /// Nil for bytes that are no record: a damaged disk, or a later version.
  public static func decode(_ bytes: [UInt8]) -> JobRecord? {
    var reader = ByteReader(bytes)
    do throws(BytesError) {
      guard try reader.u8() == version, let stage = JobStage(rawValue: try reader.u8()) else {
        return nil
      }
      let txid = try reader.bytes32()
      let host = try reader.lengthPrefixed(limit: Endpoint.maxHostBytes)
      let port = try reader.u16le()
      let offerBytes = try reader.lengthPrefixed(limit: 65_536)
      let contractBytes = try reader.lengthPrefixed(limit: 4096)
      guard let endpoint = Endpoint(host: host, port: port),
        let offer = try? Offer.decode(offerBytes),
        let contract = try? SignedContract.decode(contractBytes)
      else { return nil }
      var record = JobRecord(
        stage: stage, announcementTxid: txid, endpoint: endpoint, offer: offer,
        contract: contract, channelNonce: try reader.bytes32(), startHeight: try reader.u32le())
      record.usage = try UsageVector(&reader)
      record.startedUnixSeconds = try reader.u64le()
      record.endedUnixSeconds = try reader.u64le()
      if try reader.u8() == 1 {
        guard let kind = ExitKind(rawValue: try reader.u8()) else { return nil }
        record.exit = JobExit(
          kind: kind, status: Int32(bitPattern: try reader.u32le()),
          resultBytes: try reader.u64le(), resultDigest: try reader.bytes32())
      }
      let receipt = try reader.lengthPrefixed(limit: 4096)
      if !receipt.isEmpty {
        guard let signed = try? SignedReceipt.decode(receipt) else { return nil }
        record.receipt = signed
      }
      try reader.finish()
      return record
    } catch { return nil }
  }
}
