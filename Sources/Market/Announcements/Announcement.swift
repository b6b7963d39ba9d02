import Bitcoin
import Bytes
import Crypto

/// What a publisher puts on the chain: enough for a machine to decide whether to call.
public struct Announcement: Equatable, Sendable {
  /// A field that this version does not know. Its type is odd: it may be passed over.
  public struct Extra: Equatable, Sendable {
    public var type: UInt8
    public var value: [UInt8]

    public init(type: UInt8, value: [UInt8]) {
      self.type = type
      self.value = value
    }
  }

  /// The publisher's Ed25519 identity.
  public var publisher: Bytes32
  public var endpoint: Endpoint
  /// How many machines are wanted.
  public var workers: UInt16
  /// Processors that the job has programs for.
  public var processors: ProcessorSet
  /// RAM that the job may use on each machine.
  public var ramMiB: UInt32
  public var isolation: IsolationWanted
  /// The most that an hour of full use may cost.
  public var priceCeilingSatPerHour: UInt64
  public var payoutIntervalMs: UInt32
  /// From this height on the announcement is void.
  public var expiryHeight: UInt32
  /// Digest of the full offer, which the publisher sends to whoever calls.
  public var offerDigest: Bytes32
  /// Fields of later versions, in ascending order of type.
  public var extras: [Extra]

  public init(
    publisher: Bytes32, endpoint: Endpoint, workers: UInt16, processors: ProcessorSet,
    ramMiB: UInt32, isolation: IsolationWanted, priceCeilingSatPerHour: UInt64,
    payoutIntervalMs: UInt32, expiryHeight: UInt32, offerDigest: Bytes32, extras: [Extra] = []
  ) {
    self.publisher = publisher
    self.endpoint = endpoint
    self.workers = workers
    self.processors = processors
    self.ramMiB = ramMiB
    self.isolation = isolation
    self.priceCeilingSatPerHour = priceCeilingSatPerHour
    self.payoutIntervalMs = payoutIntervalMs
    self.expiryHeight = expiryHeight
    self.offerDigest = offerDigest
    self.extras = extras
  }

  public var digest: Bytes32 { Sha256.tagged("zennet/announcement", encode()) }

  /// Blocks ahead of the tip that an announcement may stay valid: a year at ten minutes each.
  public static let maxBlocksAhead: UInt32 = 52_560

  /// What only the chain can tell: throws `unacceptable` for an expiry that is reached already in
  /// the next block, or absurdly far.
  public func check(atHeight height: UInt32) throws(MarketError) {
    if expiryHeight <= height {
      throw MarketError.unacceptable(field: "expiry height", problem: "the announcement is over")
    }
    if expiryHeight - height > Announcement.maxBlocksAhead {
      throw MarketError.unacceptable(field: "expiry height", problem: "more than a year ahead")
    }
  }

  // MARK: On chain

  /// The two outputs of an announcing transaction: the document, and the beacon.
  public var outputs: [TransactionOutput] {
    [
      TransactionOutput(amountSat: 0, scriptPubKey: Script.opReturn(encode())),
      TransactionOutput(amountSat: Beacon.amountSat, scriptPubKey: Beacon.scriptPubKey),
    ]
  }

  /// The announcement of a transaction: it pays the beacon, and exactly one of its `OP_RETURN`
  /// outputs is a valid document. Nil for everything else.
  public static func find(in transaction: Transaction) -> Announcement? {
    var paysBeacon = false
    var found: Announcement?
    let beacon = Beacon.scriptPubKey
    for output in transaction.outputs {
      if output.scriptPubKey == beacon && output.amountSat >= Beacon.amountSat {
        paysBeacon = true
      }
      if output.scriptPubKey.count > maxBytes + 3 { continue }
      guard let data = Script.opReturnData(output.scriptPubKey), let read = try? decode(data)
      else { continue }
      if found != nil { return nil }
      found = read
    }
    return paysBeacon ? found : nil
  }
}
