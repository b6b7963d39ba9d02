import Bitcoin
import Bytes
import Host

@testable import Devnet

/// A peer over a real socket, one step at a time.
final class TestPeer {
  enum Failure: Error { case closed(String), timedOut }

  private let reactor = Reactor()
  private let connection: ConnectionId
  private var framer = MessageFramer(magic: Network.regtest.magic)
  /// The oldest last.
  private var inbox: [PeerMessage] = []
  /// Far above what any machine needs; tests do not measure time.
  private let limitMs: UInt64 = 30_000

  init(port: UInt16) { connection = reactor.connect(to: .tcp(host: "127.0.0.1", port: port)) }

  func send(_ message: PeerMessage) {
    reactor.send(connection, MessageFrame.encode(message, magic: Network.regtest.magic))
  }

  func send(bytes: [UInt8]) { reactor.send(connection, bytes) }

  /// Lets the kernel take what waits, without reading what comes.
  func flush() {
    reactor.setReading(connection, false)
    while reactor.pendingBytes(connection) > 0 { _ = try? reactor.next(untilMs: 0) }
    reactor.setReading(connection, true)
  }

  /// Says hello as a light client does.
  func shakeHands(
    version: UInt32 = 70016, relay: Bool = true, usesWitnessIds: Bool = true
  ) throws -> VersionMessage {
    send(
      .version(
        VersionMessage(
          version: version, services: 0, time: 0, nonce: 4711, userAgent: Array("/test/".utf8),
          startHeight: 0, relay: relay)))
    let answer = try receive { message -> VersionMessage? in
      if case .version(let version) = message { return version }
      return nil
    }
    if usesWitnessIds { send(.wtxidRelay) }
    send(.verack)
    _ = try receive { $0 == .verack ? true : nil }
    _ = try receive { message -> UInt64? in
      if case .feeFilter(let rate) = message { return rate }
      return nil
    }
    return answer
  }

  /// The first message that `pick` takes; what comes before it is dropped.
  func receive<Value>(_ pick: (PeerMessage) throws -> Value?) throws -> Value {
    let untilMs = Clock.monotonicMs() + limitMs
    while true {
      while let message = inbox.popLast() {
        if let value = try pick(message) { return value }
      }
      switch try reactor.next(untilMs: untilMs) {
      case .received(_, let bytes):
        framer.append(bytes)
        while let message = try framer.next() { inbox.append(message) }
        inbox.reverse()
      case .closed(_, let reason): throw Failure.closed(reason.message)
      case nil: throw Failure.timedOut
      default: break
      }
    }
  }

  /// Everything up to the answer to a ping that is sent now.
  func drain() throws -> [PeerMessage] {
    let nonce = Entropy.u64()
    send(.ping(nonce))
    var seen: [PeerMessage] = []
    return try receive { message -> [PeerMessage]? in
      if message == .pong(nonce) { return seen }
      seen.append(message)
      return nil
    }
  }

  /// True once the node has dropped this peer; false when it answers a ping instead.
  func isDropped() throws -> Bool {
    send(.ping(1))
    do {
      _ = try receive { $0 == .pong(1) ? true : nil }
      return false
    } catch Failure.closed {
      return true
    }
  }
}
