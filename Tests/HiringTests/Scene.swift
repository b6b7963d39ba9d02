import Bitcoin
import Bytes
import Crypto
import Market
import TestSupport
import Wallet

@testable import Hiring

/// A world with a publisher that has coins, one pool, and scripted providers.
struct Scene {
  let world: World
  let pool: Bytes32
  static let base = [UInt8](repeating: 7, count: 200_000)
  static let baseRef = BundleRef(digest: Sha256.hash(base), sizeBytes: UInt64(base.count))

  static func offer(workers: UInt16) -> Offer {
    Offer(
      network: Network.regtest.identity, title: Array("test".utf8),
      share: ShareLimits(memoryMiB: 64, milliCpus: 1000, pids: 32, diskMiB: 64), workers: workers,
      priceCeilingSatPerHour: 2_000_000,
      traffic: HourlyTraffic(diskKiB: 1 << 20, networkKiB: 1 << 20), payoutIntervalMs: 500,
      publisherMaxLossSat: 20_000, channelBlocks: 144, closeMarginBlocks: 12,
      feeLadderSatPerKvB: [1_000, 4_000, 20_000])
  }

  static func spec(_ name: String, worker: UInt16? = nil) -> TaskSpec {
    TaskSpec(
      bundles: [baseRef], arguments: [Array("/bin/task".utf8), Array(name.utf8)],
      limits: TaskLimits(memoryMiB: 64, milliCpus: 1000, pids: 32, diskMiB: 32, wallMs: 60_000),
      maxResultBytes: 1 << 20, worker: worker)
  }

  /// - Parameters:
  ///   - tasks: so many, and no more; nil leaves the pool open.
  ///   - isPinned: one task a place.
  init(
    _ behaviours: [ScriptedProvider.Behaviour], workers: UInt16? = nil, tasks: Int?,
    isPinned: Bool = false, seed: UInt64 = 1, coinsSat: UInt64 = 100_000_000,
    offer change: (inout Offer) -> Void = { _ in }, plan adapt: (inout PoolPlan) -> Void = { _ in }
  ) throws {
    world = World(seed: seed)
    world.publisher = try TestPublisher(world, bundles: [Scene.baseRef.digest: Scene.base])
    for behaviour in behaviours { world.providers.append(ScriptedProvider(world, behaviour)) }
    var offer = Scene.offer(workers: workers ?? UInt16(behaviours.count))
    change(&offer)
    guard let endpoint = Endpoint(text: "192.0.2.1:7000") else {
      throw HiringError.unknown("endpoint")
    }
    var plan = PoolPlan(offer: offer, endpoint: endpoint)
    plan.bidWindowMs = 300
    plan.capacitySat = 100_000
    adapt(&plan)
    let wallet = try Wallet(keys: try TestPublisher.keys(), network: .regtest, birthHeight: 0)
    world.give(coinsSat, to: wallet.receiveScript)
    let publisher: TestPublisher = world.publisher
    pool = publisher.machine.addPool(plan, publisher.now)
    guard let tasks else { return }
    for index in 0..<tasks {
      _ = publisher.machine.addTask(
        Scene.spec("\(index)", worker: isPinned ? UInt16(index) : nil), to: pool, publisher.now)
    }
    publisher.machine.noMoreTasks(pool, publisher.now)
  }

  var publisher: TestPublisher { world.publisher }
  var machine: HiringMachine { world.publisher.machine }
  var leases: [LeaseSummary] { machine.leases(of: pool) }
  var tasks: [TaskSummary] { machine.tasks(of: pool) }
  var isFinished: Bool { machine.isFinished(pool) }

  /// Runs until nothing is left to be done.
  @discardableResult
  func finish(forMs durationMs: UInt64 = 900_000) -> Bool {
    if world.run(forMs: durationMs, until: { isFinished }) { return true }
    print(publisher.lines.suffix(60).joined(separator: "\n"))
    print(leases.map { "\($0.worker) " + $0.stage.text }, tasks.map(\.state))
    return false
  }

  /// The publisher is killed, and its program starts again.
  func restartPublisher() throws {
    world.publisherDied()
    world.publisher = try TestPublisher(
      world, bundles: world.publisher.bundles, disk: world.publisher.disk)
  }

  /// Tasks that the program of a task ended by itself.
  var exited: Int {
    tasks.filter {
      if case .line(let line, _)? = $0.outcome { return line.kind == .exited }
      return false
    }.count
  }

  /// What every provider was paid, and what it says that it is owed.
  var booksAgree: Bool {
    leases.allSatisfy { lease in
      guard
        let provider = world.providers.first(where: {
          $0.identity.publicKey == lease.contract.body.provider
        })
      else { return false }
      return provider.paidSat == lease.paidSat
    }
  }
}
