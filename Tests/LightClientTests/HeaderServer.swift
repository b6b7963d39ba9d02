import Bitcoin
import Bytes
import LightClient

/// A peer that is nothing but a chain of headers, spoken to without any network: for chains that are
/// too long, or too cheap, for the simulator's blocks.
final class HeaderServer {
  let id: PeerId
  let address: PeerAddress
  private let network: Network
  private var framer: MessageFramer
  private(set) var headers: [BlockHeader]
  private var heights: [Bytes32: Int] = [:]
  /// Headers that it tells once it has told all of the first ones.
  var then: [BlockHeader] = []
  /// What it announces after each list, as a node does whose chain grows meanwhile.
  var announcement: [BlockHeader] = []
  /// Lists of headers that it gave.
  private(set) var lists = 0

  init(_ id: UInt32, network: Network, headers: [BlockHeader]) {
    self.id = PeerId(id)
    self.network = network
    self.headers = headers
    framer = MessageFramer(magic: network.magic)
    guard let address = PeerAddress(ip: [127, 0, 0, UInt8(id)], port: 1) else {
      preconditionFailure("an address")
    }
    self.address = address
    become(headers)
  }

  private func become(_ headers: [BlockHeader]) {
    self.headers = headers
    then = []
    heights = [network.genesis.hash: 0]
    for (index, header) in headers.enumerated() { heights[header.hash] = index + 1 }
  }

  /// What it answers to bytes of the client.
  func answers(_ bytes: [UInt8]) throws -> [PeerMessage] {
    framer.append(bytes)
    var answers: [PeerMessage] = []
    while let message = try framer.next() {
      switch message {
      case .version:
        answers.append(
          .version(
            VersionMessage(
              services: 73, time: 0, nonce: UInt64(id.value), userAgent: [],
              startHeight: UInt32(headers.count), relay: true)))
        answers.append(.verack)
      case .ping(let nonce): answers.append(.pong(nonce))
      case .getHeaders(let locator, _):
        let known = locator.compactMap { heights[$0] }.first ?? 0
        lists += 1
        answers.append(.headers(Array(headers[known..<min(headers.count, known + 2000)])))
        if !announcement.isEmpty { answers.append(.headers(announcement)) }
        if !then.isEmpty && known + 2000 >= headers.count { become(then) }
      default: break
      }
    }
    return answers
  }
}

extension LightClient {
  /// Carries messages to and fro until nobody has anything to say, for at most `steps` messages;
  /// `look` sees the client after each. Returns what the client told.
  mutating func talk(
    with servers: [HeaderServer], unixSeconds: UInt64, steps: Int = 100_000,
    look: (LightClient) -> Void = { _ in }
  ) throws -> [LightClientEvent] {
    var events: [LightClientEvent] = []
    var waiting: [(PeerId, PeerMessage)] = []
    var nowMs: UInt64 = 1
    for server in servers {
      peerConnected(server.id, address: server.address, nowMs: nowMs, unixSeconds: unixSeconds)
    }
    for _ in 0..<steps {
      while let effect = nextEffect() {
        switch effect {
        case .event(let event): events.append(event)
        case .send(let id, let bytes):
          guard let server = servers.first(where: { $0.id == id }) else { continue }
          waiting += try server.answers(bytes).map { (id, $0) }
        case .disconnect(let id, _): waiting.removeAll { $0.0 == id }
        default: break
        }
      }
      if waiting.isEmpty {
        // Time passes: what was put off is taken up.
        if nowMs > 60_000 { break }
        nowMs += 5_000
        timerFired(nowMs: nowMs, unixSeconds: unixSeconds)
        continue
      }
      let (id, message) = waiting.removeFirst()
      nowMs += 1
      received(
        MessageFrame.encode(message, magic: network.magic), from: id, nowMs: nowMs,
        unixSeconds: unixSeconds)
      look(self)
    }
    return events
  }
}
