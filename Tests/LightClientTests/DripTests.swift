import Bitcoin
import Bytes
import Testing

@testable import LightClient

/// A peer that tells one byte a second: never silent, and never done.
@Suite struct DripTests {
  private static let network: Network = {
    var network = Network.regtest
    network.genesis.time = 1_600_000_000
    return network
  }()

  private static let now = UInt64(network.genesis.time) + 400 * 86_400

  private static let headers: [BlockHeader] = {
    var list: [BlockHeader] = []
    var header = network.genesis
    header.version = 0x2000_0000
    var previous = network.genesis.hash
    guard let target = Target(bits: header.bits) else { preconditionFailure("bits") }
    for _ in 0..<3000 {
      header.previous = previous
      header.time += 600
      previous = header.hash
      while !target.isMet(by: previous) {
        header.nonce += 1
        previous = header.hash
      }
      list.append(header)
    }
    return list
  }()

  private struct Outcome {
    /// When the tip was reached, in seconds.
    var tipAtSeconds: Int?
    var events: [LightClientEvent] = []
    var disconnects: [(id: PeerId, reason: DisconnectReason)] = []
    var mostBuffered = 0
  }

  /// Lets `seconds` pass. What `dripper` says from its first answer for which `drips` holds arrives
  /// byte by byte; what the others say arrives at once.
  private func talk(
    _ servers: [HeaderServer], dripper: PeerId, seconds: Int, drips: (PeerMessage) -> Bool
  ) throws -> Outcome {
    var configuration = LightClientConfiguration()
    configuration.watchesMempool = false
    configuration.peers = servers.map(\.address)
    var client = LightClient(
      network: Self.network, configuration: configuration, state: .fresh, seed: 5, nowMs: 0,
      unixSeconds: Self.now)
    var outcome = Outcome()
    var pipe: [UInt8] = []
    var place = 0
    for server in servers {
      client.peerConnected(server.id, address: server.address, nowMs: 1, unixSeconds: Self.now)
    }
    for second in 1...seconds {
      let nowMs = UInt64(second) * 1000
      while let effect = client.nextEffect() {
        switch effect {
        case .event(let event): outcome.events.append(event)
        case .disconnect(let id, let reason): outcome.disconnects.append((id, reason))
        case .send(let id, let bytes):
          guard let server = servers.first(where: { $0.id == id }) else { continue }
          for answer in try server.answers(bytes) {
            let frame = MessageFrame.encode(answer, magic: Self.network.magic)
            if id == dripper && (!pipe.isEmpty || drips(answer)) {
              pipe += frame
            } else {
              client.received(frame, from: id, nowMs: nowMs, unixSeconds: Self.now)
            }
          }
        default: break
        }
      }
      if place < pipe.count {
        client.received([pipe[place]], from: dripper, nowMs: nowMs, unixSeconds: Self.now)
        place += 1
      }
      client.timerFired(nowMs: nowMs, unixSeconds: Self.now)
      for peer in client.shared.peers {
        outcome.mostBuffered = max(outcome.mostBuffered, peer.framer.bufferedBytes)
      }
      if client.tipHeight == 3000 && outcome.tipAtSeconds == nil { outcome.tipAtSeconds = second }
    }
    return outcome
  }

  private func isHeaders(_ message: PeerMessage) -> Bool {
    if case .headers = message { return true }
    return false
  }

  /// It is asked first, and its list would take two days. After five minutes somebody else is asked.
  @Test func whoDripsHeadersHoldsNothingUp() throws {
    let dripper = HeaderServer(1, network: Self.network, headers: Self.headers)
    let honest = HeaderServer(2, network: Self.network, headers: Self.headers)
    let outcome = try talk(
      [dripper, honest], dripper: dripper.id, seconds: 900, drips: isHeaders)
    #expect(dripper.lists > 0, "it was asked")
    #expect((outcome.tipAtSeconds ?? .max) <= 330)
    #expect(outcome.mostBuffered <= 900)
  }

  /// Alone it may be an honest peer on a bad line: nobody is banned, and nothing piles up.
  @Test func whoDripsAloneIsNotBanned() throws {
    let dripper = HeaderServer(1, network: Self.network, headers: Self.headers)
    let outcome = try talk([dripper], dripper: dripper.id, seconds: 3600, drips: isHeaders)
    #expect(outcome.tipAtSeconds == nil)
    #expect(outcome.mostBuffered <= 3600)
    #expect(!outcome.disconnects.contains { $0.reason.isLasting })
    for event in outcome.events {
      if case .peerMisbehaved = event { Issue.record("banned") }
    }
  }

  /// A handshake has a minute, however many bytes of it come.
  @Test func whoDripsTheHandshakeLosesItsPlace() throws {
    let dripper = HeaderServer(1, network: Self.network, headers: Self.headers)
    let honest = HeaderServer(2, network: Self.network, headers: Self.headers)
    let outcome = try talk([dripper, honest], dripper: dripper.id, seconds: 120) { _ in true }
    #expect((outcome.tipAtSeconds ?? .max) <= 10)
    let reasons = outcome.disconnects.filter { $0.id == dripper.id }.map(\.reason)
    #expect(reasons == [.handshakeTimeout])
  }
}
