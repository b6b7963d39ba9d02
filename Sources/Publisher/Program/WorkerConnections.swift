import Hiring
import Host

/// The workers' open connections, by the state machine's keys.
struct WorkerConnections {
  /// Unsent bytes above which a worker counts as blocked.
  private static let blockedBytes = 262_144

  private var ids: [CallKey: ConnectionId] = [:]

  mutating func accepted(_ id: ConnectionId) -> CallKey {
    let key = CallKey(id.rawValue)
    ids[key] = id
    return key
  }

  mutating func closed(_ id: ConnectionId) -> CallKey {
    let key = CallKey(id.rawValue)
    ids[key] = nil
    return key
  }

  /// Sends bytes. Returns whether the worker is blocked.
  func transmit(_ key: CallKey, _ bytes: [UInt8], _ reactor: Reactor) -> Bool {
    guard let id = ids[key] else { return false }
    reactor.send(id, bytes)
    return reactor.pendingBytes(id) > WorkerConnections.blockedBytes
  }

  mutating func hangUp(_ key: CallKey, _ reactor: Reactor) {
    if let id = ids.removeValue(forKey: key) { reactor.finish(id) }
  }
}
