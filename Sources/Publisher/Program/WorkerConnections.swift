import Hiring
import Host

/// The open connections of workers, by the keys that the machine knows them by.
struct WorkerConnections {
  /// Above this, a worker is not reading fast enough to be sent more.
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

  /// True where the worker has to be waited for.
  func transmit(_ key: CallKey, _ bytes: [UInt8], _ reactor: Reactor) -> Bool {
    guard let id = ids[key] else { return false }
    reactor.send(id, bytes)
    return reactor.pendingBytes(id) > WorkerConnections.blockedBytes
  }

  mutating func hangUp(_ key: CallKey, _ reactor: Reactor) {
    if let id = ids.removeValue(forKey: key) { reactor.finish(id) }
  }
}
