import Bitcoin
import Bytes
import LightClient

/// A simple consumer of the light client's events: a model that checks whether the events are
/// consistent with each other.
public struct ClientLedger {
  public private(set) var tipHeight: UInt32 = 0
  public private(set) var tipHash: Bytes32
  public private(set) var scannedHeight: UInt32 = 0
  /// The matched blocks of the current chain, by height.
  public private(set) var matched: [UInt32: Bytes32] = [:]
  public private(set) var confirmed: [Bytes32: UInt32] = [:]
  /// Own transactions that were displaced, and the transactions that displaced them.
  public private(set) var conflicted: [Bytes32: Bytes32] = [:]
  public private(set) var seen: [Bytes32] = []
  public private(set) var reorganisations = 0
  public private(set) var stalls: [StallReason] = []
  public private(set) var bans: [(address: PeerAddress, what: Misbehaviour)] = []
  public private(set) var isSynced = false
  /// Events that contradict each other.
  public private(set) var contradictions: [String] = []
  public var scripts: [[UInt8]] = []

  init(genesisHash: Bytes32 = .zero) { tipHash = genesisHash }

  mutating func contradict(_ what: String) { contradictions.append(what) }

  mutating func restarted(_ client: LightClient) {
    tipHeight = client.tipHeight
    tipHash = client.tipHash
    isSynced = false
  }

  mutating func record(_ event: LightClientEvent) {
    switch event {
    case .tipChanged(let height, let hash):
      if height == 0 { contradictions.append("a tip at height 0") }
      tipHeight = height
      tipHash = hash
    case .synced(let height):
      isSynced = true
      if height != tipHeight { contradictions.append("synced at another height than the tip's") }
      if scannedHeight != tipHeight { contradictions.append("synced and not scanned") }
    case .blockMatched(let height, let block):
      if height > tipHeight { contradictions.append("a matched block above the tip") }
      if !block.hasValidMerkleRoot { contradictions.append("a matched block with a wrong root") }
      matched[height] = block.hash
    case .blockScanned(let height):
      if height > tipHeight { contradictions.append("scanned above the tip") }
      scannedHeight = height
    case .blocksDisconnected(let from, let to):
      reorganisations += 1
      if from != tipHeight { contradictions.append("blocks disconnected from below the tip") }
      if to >= from { contradictions.append("no block disconnected") }
      for height in matched.keys where height > to { matched[height] = nil }
      for (txid, height) in confirmed where height > to { confirmed[txid] = nil }
      scannedHeight = min(scannedHeight, to)
      tipHeight = to
    case .transactionSeen(let transaction): seen.append(transaction.txid)
    case .transactionConfirmed(let txid, let height):
      if matched[height] == nil { contradictions.append("confirmed in an unreported block") }
      confirmed[txid] = height
    case .transactionConflicted(let txid, let other, let height):
      if matched[height] == nil { contradictions.append("conflicted in an unreported block") }
      conflicted[txid] = other
    case .transactionRelayed, .peerReady: break
    case .peerMisbehaved(let address, let what, _): bans.append((address, what))
    case .stalled(let reason): stalls.append(reason)
    }
  }
}
