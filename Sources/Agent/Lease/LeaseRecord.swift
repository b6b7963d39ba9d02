import Bitcoin
import Bytes
import Channel
import Market

/// The stage of a lease. It only increases.
public enum LeaseStage: UInt8, Comparable, Sendable {
  /// Both sides signed; waits for the funding.
  case awaitingFunding = 1
  /// The funding was received: tasks may run.
  case open = 2
  /// No new tasks; running ones end; waits for the last payment and the receipt.
  case ending = 3
  /// Waits for the closes to confirm.
  case closing = 4
  /// All closes confirmed.
  case closed = 5

  public static func < (left: LeaseStage, right: LeaseStage) -> Bool {
    left.rawValue < right.rawValue
  }

  public var text: String {
    switch self {
    case .awaitingFunding: return "awaiting-funding"
    case .open: return "open"
    case .ending: return "ending"
    case .closing: return "closing"
    case .closed: return "closed"
    }
  }
}

/// A lease's stored record, from the contract on. Its tasks' rows (``LeaseSums``, ``TaskRow``) and
/// its channels' states are stored separately.
public struct LeaseRecord: Equatable, Sendable {
  public var stage: LeaseStage
  /// Why it ends; nil before.
  var ending: LeaseEnding?
  /// Wire byte order.
  public var announcementTxid: Bytes32
  public var endpoint: Endpoint
  var isolation: IsolationWanted
  var workers: UInt16
  public var contract: Signed<Contract>
  /// The nonce from which the channel keys are derived.
  var channelNonce: Bytes32
  /// The tip when the contract was signed; the funding confirms above it.
  var startHeight: UInt32
  /// When the lease opened, Unix time in seconds; 0 before.
  var openedUnixSeconds: UInt64 = 0
  /// Further channels, in order.
  public var topUps: [Signed<TopUp>] = []
  /// The final statement, once sent; the publisher's signature may be missing.
  public var receipt: Signed<Statement>?

  static let version: UInt8 = 1

  init(_ agreement: Agreement, providerSignature: [UInt8], startHeight: UInt32) {
    stage = .awaitingFunding
    announcementTxid = agreement.announcementTxid
    endpoint = agreement.endpoint
    isolation = agreement.offer.isolation
    workers = agreement.offer.workers
    contract = Signed(
      agreement.contract, publisherSignature: agreement.publisherSignature,
      providerSignature: providerSignature)
    channelNonce = agreement.channelNonce
    self.startHeight = startHeight
  }

  private init(
    stage: LeaseStage, announcementTxid: Bytes32, endpoint: Endpoint, isolation: IsolationWanted,
    workers: UInt16, contract: Signed<Contract>, channelNonce: Bytes32, startHeight: UInt32
  ) {
    self.stage = stage
    self.announcementTxid = announcementTxid
    self.endpoint = endpoint
    self.isolation = isolation
    self.workers = workers
    self.contract = contract
    self.channelNonce = channelNonce
    self.startHeight = startHeight
  }

  /// The terms of all its channels, by number.
  var terms: [ChannelTerms] { [contract.body.terms] + topUps.map { $0.body.terms } }

  /// The storage keys of its channels' states, by number.
  public var channelIds: [Bytes32] {
    let id = contract.body.id
    var ids: [Bytes32] = []
    for number in 0...topUps.count {
      ids.append(ChannelId.of(contract: id, number: UInt8(number)))
    }
    return ids
  }

  // MARK: Encoding: fixed order, little-endian, version byte first

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 1024)
    writer.u8(LeaseRecord.version)
    writer.u8(stage.rawValue)
    writer.u8(ending?.rawValue ?? 0)
    writer.append(announcementTxid)
    writer.lengthPrefixed(endpoint.host)
    writer.u16le(endpoint.port)
    writer.u8(isolation.rawValue)
    writer.u16le(workers)
    writer.lengthPrefixed(contract.encode())
    writer.append(channelNonce)
    writer.u32le(startHeight)
    writer.u64le(openedUnixSeconds)
    writer.compactSize(topUps.count)
    for topUp in topUps { writer.lengthPrefixed(topUp.encode()) }
    writer.lengthPrefixed(receipt?.encode() ?? [])
    return writer.bytes
  }

  /// Returns nil for damaged bytes or an unknown version.
  public static func decode(_ bytes: [UInt8]) -> LeaseRecord? {
    var reader = ByteReader(bytes)
    do throws(BytesError) {
      guard try reader.u8() == version, let stage = LeaseStage(rawValue: try reader.u8()) else {
        return nil
      }
      let endingCode = try reader.u8()
      let ending = LeaseEnding(rawValue: endingCode)
      if ending == nil && (endingCode != 0 || stage == .ending) { return nil }
      let txid = try reader.bytes32()
      let host = try reader.lengthPrefixed(limit: Endpoint.maxHostBytes)
      guard let endpoint = Endpoint(host: host, port: try reader.u16le()),
        let isolation = IsolationWanted(rawValue: try reader.u8())
      else { return nil }
      let workers = try reader.u16le()
      let signed = try reader.lengthPrefixed(limit: 4096)
      guard let contract = try? Signed<Contract>.decode(signed) else { return nil }
      var record = LeaseRecord(
        stage: stage, announcementTxid: txid, endpoint: endpoint, isolation: isolation,
        workers: workers, contract: contract, channelNonce: try reader.bytes32(),
        startHeight: try reader.u32le())
      record.ending = ending
      record.openedUnixSeconds = try reader.u64le()
      for _ in 0..<(try reader.compactSize(limit: UInt64(Limits.maxChannels - 1))) {
        let signed = try reader.lengthPrefixed(limit: 2048)
        guard let topUp = try? Signed<TopUp>.decode(signed) else { return nil }
        record.topUps.append(topUp)
      }
      let receipt = try reader.lengthPrefixed(limit: 4096)
      if !receipt.isEmpty {
        guard let signed = try? Signed<Statement>.decode(receipt) else { return nil }
        record.receipt = signed
      }
      try reader.finish()
      return record
    } catch { return nil }
  }
}
