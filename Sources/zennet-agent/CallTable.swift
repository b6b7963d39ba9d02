import Agent
import Bytes
import Host

/// Maps calls to publishers to their connections.
struct CallTable {
  /// Unsent bytes above which a publisher counts as blocked.
  private static let blockedBytes = 262_144

  private let reactor: Reactor
  private var calls: [(key: CallKey, connection: ConnectionId)] = []

  init(_ reactor: Reactor) { self.reactor = reactor }

  func key(of connection: ConnectionId) -> CallKey? {
    for call in calls where call.connection == connection { return call.key }
    return nil
  }

  private func connection(_ key: CallKey) -> ConnectionId? {
    for call in calls where call.key == key { return call.connection }
    return nil
  }

  /// - Parameter allowsPrivate: if false, connect only to public addresses.
  mutating func dial(_ key: CallKey, _ host: [UInt8], _ port: UInt16, allowsPrivate: Bool) {
    let endpoint = Endpoint.tcp(host: String(decoding: host, as: UTF8.self), port: port)
    let connection: ConnectionId
    if allowsPrivate {
      connection = reactor.connect(to: endpoint)
    } else {
      connection = reactor.connect(to: endpoint) { AddressRule.isPublic(Array($0.host.utf8)) }
    }
    calls.removeAll { $0.key == key }
    calls.append((key, connection))
  }

  /// Sends bytes. Returns whether the publisher is blocked.
  func transmit(_ key: CallKey, _ bytes: [UInt8]) -> Bool {
    guard let connection = connection(key) else { return false }
    reactor.send(connection, bytes)
    return reactor.pendingBytes(connection) > CallTable.blockedBytes
  }

  mutating func hangUp(_ key: CallKey) {
    if let connection = connection(key) { reactor.finish(connection) }
    calls.removeAll { $0.key == key }
  }

  /// Removes a closed connection and returns its call.
  mutating func closed(_ connection: ConnectionId) -> CallKey? {
    let key = key(of: connection)
    calls.removeAll { $0.connection == connection }
    return key
  }
}
