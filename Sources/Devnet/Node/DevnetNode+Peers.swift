import Bitcoin
import Bytes
import Host

/// Connects the sockets with the peers' sessions.
extension DevnetNode {
  /// A peer with more unsent bytes than this is dropped when more is sent.
  static let backlogBytes = 32_000_000
  /// Serving of requested objects pauses while more bytes than this are unsent.
  private static let servingBytes = 1_000_000
  /// Reading from a peer pauses while more bytes than this are unsent.
  private static let pausingBytes = 4_000_000

  var view: PeerView {
    PeerView(chain: chain, mempool: mempool, unixSeconds: Clock.unixSeconds())
  }

  func receivePeer(_ id: ConnectionId, _ bytes: [UInt8]) {
    guard var session = sessions[id] else { return }
    let wasEstablished = session.isEstablished
    let effects = session.received(bytes, view: view, nowMs: Clock.monotonicMs())
    sessions[id] = session
    if !wasEstablished, session.isEstablished, let version = session.theirVersion {
      let agent = String(decoding: version.userAgent, as: UTF8.self)
      tell(.peerReady(id: id.rawValue, userAgent: agent))
    }
    apply(effects, to: id)
    pump(id)
  }

  func apply(_ effects: [PeerEffect], to id: ConnectionId) {
    for effect in effects {
      switch effect {
      case .send(let message): send(message, to: id)
      case .submit(let transaction): _ = try? submit(transaction)
      case .disconnect(let reason):
        reactor.close(id)
        if sessions.removeValue(forKey: id) != nil {
          tell(.peerGone(id: id.rawValue, reason: reason))
        }
        return
      }
    }
  }

  private func send(_ message: PeerMessage, to id: ConnectionId) {
    reactor.send(id, MessageFrame.encode(message, magic: sessionOptions.magic))
  }

  /// Sends requested objects, as fast as the peer reads.
  func pump(_ id: ConnectionId) {
    while reactor.pendingBytes(id) < DevnetNode.servingBytes, var session = sessions[id] {
      let object = session.nextObject(view)
      sessions[id] = session
      guard let object else { break }
      send(object, to: id)
    }
    if sessions[id] != nil {
      reactor.setReading(id, reactor.pendingBytes(id) < DevnetNode.pausingBytes)
    }
  }

  // MARK: Announcing

  func announce(_ blocks: [ConnectedBlock]) {
    let standing = blocks.filter { chain.hash(at: $0.height) == $0.hash }
    let view = view
    for id in sessions.keys.sorted() {
      guard var session = sessions[id] else { continue }
      let effects = session.announce(standing, view)
      sessions[id] = session
      apply(effects, to: id)
    }
  }

  func announce(_ entry: Mempool.Entry) {
    for id in sessions.keys.sorted() {
      guard var session = sessions[id] else { continue }
      let effects = session.announce(entry)
      sessions[id] = session
      apply(effects, to: id)
    }
  }
}
