import Bitcoin
import Bytes
import Crypto
import LightClient
import Market
import Sandbox
import Session
import Testing

@testable import Agent

/// Publishers that answer, make an offer, take the bid, and never hire.
@Suite struct MakingWayTests {
  private final class World {
    let publishers: [Ed25519.KeyPair]
    let agent: AgentMachine
    var nowMs: UInt64 = 1_000
    /// Who was called when, and who got a bid.
    var calls: [(publisher: Int, atMs: UInt64)] = []
    var bids = 0
    var lines: [String] = []
    private var session: (key: JobKey, publisher: Int, machine: SessionMachine)?

    static let offer = Offer(
      network: Network.regtest.identity, title: [], arguments: [Array("/bin/true".utf8)],
      environment: [],
      limits: ResourceLimits(memoryMiB: 64, milliCpus: 1000, pids: 32, diskMiB: 16, wallMs: 60_000),
      priceCeilingSatPerHour: 6000, payoutIntervalMs: 500, providerMaxLossSat: 20,
      publisherMaxLossSat: 2000, openingPaymentSat: 1000, graceMs: 5000, channelBlocks: 144,
      maxBundleBytes: 1 << 20, maxResultBytes: 1 << 20)

    init(publishers count: Int) {
      publishers = (0..<count).map { Ed25519.KeyPair(seed: Sha256.hash([7, UInt8($0)])) }
      var configuration = Configuration()
      configuration.hourSat = 100
      var counter: UInt8 = 0
      agent = AgentMachine(
        configuration: configuration, network: .regtest,
        secrets: AgentSecrets(seed: Sha256.hash([5])), payoutScript: [0x51],
        machine: MachineFacts(processors: .all, isolation: .full, memoryMiB: 512, milliCpus: 2000),
        report: [1, 2, 3],
        random: {
          counter += 1
          return Sha256.hash([6, counter])
        })
      agent.started(now, tipHeight: 100)
      tell(.synced(height: 100))
    }

    var now: Instant { Instant(nowMs: nowMs, unixSeconds: 1_700_000_000 + nowMs / 1000) }

    private func tell(_ event: LightClientEvent) {
      agent.chainTold(event, now, authenticatedHeight: 100, feeRateSatPerVb: 1)
      carryOut()
    }

    func announce(_ publisher: Int) {
      let announcement = World.offer.announcement(
        publisher: publishers[publisher].publicKey,
        endpoint: Endpoint(text: "127.0.0.1:\(7000 + publisher)")!, expiryHeight: 200)
      tell(
        .transactionSeen(
          Transaction(
            inputs: [TransactionInput(previous: OutPoint(txid: .zero, index: UInt32(publisher)))],
            outputs: announcement.outputs)))
    }

    /// Lets time pass, in the steps that the agent asks for.
    func pass(seconds: UInt64) {
      let endMs = nowMs + seconds * 1000
      while nowMs < endMs {
        nowMs = min(endMs, max(nowMs + 1, agent.nextDeadlineMs))
        session?.machine.tick(nowMs: nowMs)
        agent.timePassed(now)
        carryOut()
      }
    }

    private func carryOut() {
      while let effect = agent.nextEffect() {
        switch effect {
        case .log(_, let text): lines.append(text)
        case .dial(let key, _, let port):
          let publisher = Int(port) - 7000
          calls.append((publisher, nowMs))
          let machine = try! SessionMachine(
            role: .responder, identity: publishers[publisher], expectedPeer: nil,
            ephemeral: Sha256.hash([8, UInt8(calls.count)]), nowMs: nowMs)
          session = (key, publisher, machine)
          agent.publisherConnected(key, now)
        case .transmit(let key, let bytes):
          if session?.key == key { session?.machine.received(bytes, nowMs: nowMs) }
          answer()
        case .hangUp(let key): if session?.key == key { session = nil }
        default: break
        }
      }
    }

    private func answer() {
      while let effect = session?.machine.nextEffect() {
        switch effect {
        case .transmit(let bytes):
          if let key = session?.key { agent.received(bytes, from: key, now) }
        case .control(let bytes):
          switch try? SessionMessage.decode(bytes) {
          case .hello:
            _ = session?.machine.sendControl(SessionMessage.offer(World.offer.encode()).encode())
          case .bid: bids += 1
          default: break
          }
        default: break
        }
      }
    }
  }

  @Test func alonePublishersMayTakeTheirTime() {
    let world = World(publishers: 1)
    world.announce(0)
    world.pass(seconds: 590)
    #expect(world.calls.count == 1 && world.bids == 1)
    world.pass(seconds: 20)
    #expect(world.agent.jobSummaries.isEmpty)
    #expect(world.lines.contains { $0.hasSuffix("nothing came of it in time") })
  }

  /// Before, the second one was called after ten minutes.
  @Test func whoDoesNotHireMakesWayForOthers() {
    let world = World(publishers: 2)
    world.announce(0)
    world.pass(seconds: 20)
    world.announce(1)
    world.pass(seconds: 39)
    #expect(world.calls.map(\.publisher) == [0])
    world.pass(seconds: 2)
    #expect(world.calls.map(\.publisher) == [0, 1])
    // They take turns, and are given up one day.
    world.pass(seconds: 3_000)
    #expect(world.calls.map(\.publisher) == (0..<10).map { $0 % 2 })
    let gaps = zip(world.calls.dropFirst(), world.calls).map { $0.atMs - $1.atMs }
    #expect(gaps.allSatisfy { $0 >= 60_000 && $0 < 76_000 })
    #expect(world.bids == 10)
    #expect(world.agent.jobSummaries.isEmpty)
  }

  @Test func whoWaitedForLongMakesWayAtOnce() {
    let world = World(publishers: 2)
    world.announce(0)
    world.pass(seconds: 300)
    #expect(world.calls.map(\.publisher) == [0])
    world.announce(1)
    #expect(world.calls.map(\.publisher) == [0, 1])
  }
}
