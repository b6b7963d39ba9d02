import Bitcoin
import Bytes

/// Emits each change once: sync, scan progress, stalls.
struct Teller {
  /// Shorter stalls are not reported.
  static let patienceMs: UInt64 = 5_000

  private var syncedHash: Bytes32?
  private var scannedHeight: UInt32?
  private var stall: StallReason?
  private var stallSinceMs: UInt64
  private var hasToldStall = false

  init(chain: HeaderChain, nowMs: UInt64) {
    scannedHeight = chain.tipHeight
    stallSinceMs = nowMs
  }

  mutating func reorganised(forkHeight: UInt32) {
    if let height = scannedHeight { scannedHeight = min(height, forkHeight) }
    syncedHash = nil
  }

  mutating func news(
    isSynced: Bool, scannedHeight now: UInt32?, stall reason: StallReason?, _ shared: Shared
  ) -> [LightClientEvent] {
    var events: [LightClientEvent] = []
    if let now, now != scannedHeight { events.append(.blockScanned(height: now)) }
    scannedHeight = now
    if isSynced && syncedHash != shared.chain.tipHash {
      syncedHash = shared.chain.tipHash
      events.append(.synced(height: shared.chain.tipHeight))
    }
    if reason != stall {
      stall = reason
      stallSinceMs = shared.nowMs
      hasToldStall = false
    }
    if let reason, !hasToldStall, shared.nowMs >= stallSinceMs + Teller.patienceMs {
      hasToldStall = true
      events.append(.stalled(reason))
    }
    return events
  }

  var deadlineMs: UInt64 {
    stall == nil || hasToldStall ? UInt64.max : stallSinceMs + Teller.patienceMs
  }
}
