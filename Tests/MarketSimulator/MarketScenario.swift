import Agent
import Bitcoin
import Bytes
import Channel
import Hiring
import Market
import Simulator
import TestSupport

/// One seeded story of a market, and what was found wrong in its end.
public final class MarketScenario {
  public let seed: UInt64
  let world: MarketWorld
  private var random: SeededGenerator
  public private(set) var problems: [String] = []

  static let hourMs: UInt64 = 3_600_000
  /// What an owner asks for an hour of the whole machine.
  private let hourSat: UInt64
  private var expected: [TaskId: UInt8] = [:]
  private var pools: [Int: Bytes32] = [:]

  public init(seed: UInt64) throws {
    self.seed = seed
    random = SeededGenerator(seed: seed &* 0x9e37_79b9_7f4a_7c15 | 1)
    world = MarketWorld(seed: seed)
    hourSat = [20_000, 100_000, 400_000, 800_000][random.int(0...3)]
  }

  /// What every participant logged, in order of time: to read a seed's story.
  public var transcript: [String] {
    var lines: [(atMs: UInt64, text: String)] = []
    func add(_ name: String, _ more: [String]) {
      for line in more {
        let parts = line.split(separator: " ", maxSplits: 1)
        lines.append((UInt64(parts[0]) ?? 0, name + " " + line))
      }
    }
    for provider in world.providers { add("provider \(provider.index)", provider.lines) }
    for publisher in world.publishers { add("publisher \(publisher.index)", publisher.lines) }
    return lines.enumerated().sorted {
      $0.element.atMs == $1.element.atMs
        ? $0.offset < $1.offset : $0.element.atMs < $1.element.atMs
    }.map(\.element.text)
  }

  private func note(_ problem: String) { problems.append(problem) }

  // MARK: What is wanted

  private func offer(workers: UInt16) -> Offer {
    Offer(
      network: Network.regtest.identity, title: Array("seed \(seed)".utf8),
      share: ShareLimits(memoryMiB: 128, milliCpus: 1000, pids: 64, diskMiB: 64),
      processors: .x86_64, workers: workers, priceCeilingSatPerHour: hourSat * 2,
      traffic: HourlyTraffic(diskKiB: 1 << 22, networkKiB: 1 << 22),
      payoutIntervalMs: UInt32(random.int(200...2000)), publisherMaxLossSat: 12_000,
      stopGraceMs: 2000, holdMs: 600_000, noticeMs: 60_000, channelBlocks: 60,
      closeMarginBlocks: world.closeMarginBlocks, feeLadderSatPerKvB: [1000, 5000, 20_000])
  }

  /// A pool of tasks of some seconds each.
  private func startPool(
    _ index: Int, workers: UInt16, tasks: Int, stopPayingAfter: UInt64? = nil
  ) {
    let publisher = world.publishers[index]
    var plan = PoolPlan(
      offer: offer(workers: workers),
      endpoint: Endpoint(text: "198.51.100.200:\(4500 + index)")!)
    plan.bidWindowMs = 300
    plan.awayMs = 120_000
    plan.hireTimeoutMs = 1_800_000
    plan.stopPayingAfter = stopPayingAfter
    if random.once(in: 2) { plan.capacitySat = 6_000 + UInt64(random.int(0...4000)) }
    let pool = publisher.machine.addPool(plan, publisher.now)
    pools[index] = pool
    for _ in 0..<tasks {
      let ms = random.once(in: 4) ? 0 : random.int(0...8000)
      let status = random.once(in: 5) ? 3 : 0
      let results = random.once(in: 3) ? random.int(1...50_000) : 0
      let words = ["work", "\(ms)", "\(status)", "\(random.int(0...3000))", "\(results)"]
      let spec = TaskSpec(
        bundles: [publisher.bundleRef], arguments: words.map { Array($0.utf8) },
        limits: TaskLimits(
          memoryMiB: 40, milliCpus: 330, pids: 16, diskMiB: 16, wallMs: 60_000),
        maxResultBytes: results > 0 ? 100_000 : 0)
      let task = publisher.machine.addTask(spec, to: pool, publisher.now)
      expected[TaskId(pool: pool, index: task)] = UInt8(status)
    }
    publisher.machine.noMoreTasks(pool, publisher.now)
  }

  private func isFinished(_ index: Int) -> Bool {
    guard let pool = pools[index] else { return false }
    return world.publishers[index].finished.contains(pool)
  }

  // MARK: Stories

  /// Honest on both sides, on bad lines; programs are killed before any effect, blocks are replaced.
  public func runHonest() throws {
    world.faults = FaultOptions()
    world.faults.maxDelayMs = UInt64(random.int(10...400))
    if random.once(in: 2) { world.faults.disconnect = 0.004 }
    world.faults.dialFailure = 0.05
    let count = random.int(1...3)
    for _ in 0..<count {
      var behaviour = ProviderBehaviour()
      behaviour.hourSat = hourSat
      behaviour.clockPpm = Int64(random.int(-100...100))
      world.addProvider(behaviour)
    }
    try world.addPublisher()
    world.run(forMs: 1000)
    startPool(0, workers: UInt16(random.int(1...count)), tasks: random.int(1...12))
    var kills = 0
    for _ in 0..<random.int(0...3) {
      world.run(forMs: UInt64(random.int(1...20_000))) { isFinished(0) }
      switch random.int(0...3) {
      case 0:
        let provider = world.providers[random.int(0...(count - 1))]
        provider.killBefore = provider.effectCount + random.int(0...120)
        kills += 1
      case 1, 2:
        let publisher = world.publishers[0]
        publisher.killBefore = publisher.effectCount + random.int(0...120)
      default: world.reorganise(depth: random.int(1...2))
      }
    }
    finish(publishers: [0])
    checkOutcomes(of: 0, mayBeLost: kills > 0)
    checkProviders(byPublishers: [0])
    checkBooks()
  }

  /// The first publisher cheats; a second, honest one has its tasks done by the same machines.
  public func runHostilePublisher() throws {
    var behaviour = ProviderBehaviour()
    behaviour.hourSat = hourSat
    for _ in 0..<2 { world.addProvider(behaviour) }
    var cheat = PublisherBehaviour()
    var stopPayingAfter: UInt64?
    switch random.int(0...3) {
    case 0: cheat.withholdsFundings = true
    case 1: cheat.doubleSpends = true
    case 2: cheat.vanishesAfterPayments = random.int(0...4)
    default: stopPayingAfter = UInt64(random.int(0...4))
    }
    try world.addPublisher(cheat)
    try world.addPublisher()
    world.run(forMs: 1000)
    startPool(0, workers: 2, tasks: 40, stopPayingAfter: stopPayingAfter)
    world.run(forMs: UInt64(random.int(0...30_000)))
    startPool(1, workers: 2, tasks: random.int(1...6))
    finish(publishers: [1])
    checkOutcomes(of: 1, mayBeLost: false)
    checkProviders(byPublishers: [0, 1])
  }

  /// Two of three providers cheat: the publisher's money is bounded, and its tasks are done.
  public func runHostileProvider() throws {
    for index in 0..<3 {
      var behaviour = ProviderBehaviour()
      behaviour.hourSat = hourSat
      if index > 0 {
        // Cheaper than the honest one, so that they are hired first.
        behaviour.hourSat = hourSat * 9 / 10
        switch random.int(0...2) {
        case 0: behaviour.overstatesTenths = UInt64(random.int(15...500))
        case 1: behaviour.ignoresStops = true
        default: behaviour.vanishesWhenPaid = true
        }
      }
      world.addProvider(behaviour)
    }
    try world.addPublisher()
    world.run(forMs: 1000)
    startPool(0, workers: UInt16(random.int(1...2)), tasks: random.int(1...8))
    world.run(forMs: UInt64(random.int(1...20_000))) { isFinished(0) }
    finish(publishers: [0])
    checkPublisher(0)
  }

  // MARK: The end

  /// Until the pools are finished, and every channel is closed or taken back.
  private func finish(publishers: [Int]) {
    let done = world.run(forMs: 12 * MarketScenario.hourMs) {
      publishers.allSatisfy { isFinished($0) }
    }
    problems += world.failures
    if !done && world.failures.isEmpty {
      note("a pool does not finish: " + publishers.map { story($0) }.joined(separator: " | "))
    }
    // Closes, refunds and their burial.
    world.run(forMs: 90 * world.blockEveryMs * 3 / 2)
    problems += world.failures.filter { !problems.contains($0) }
  }

  private func story(_ index: Int) -> String {
    guard let pool = pools[index] else { return "no pool" }
    let publisher = world.publishers[index]
    let tasks = publisher.outcomes.count
    let tail = publisher.lines.suffix(6).joined(separator: " / ")
    return "publisher \(index): \(tasks) of \(expected.keys.filter { $0.pool == pool }.count) "
      + "tasks ended; \(tail)"
  }

  private func checkOutcomes(of index: Int, mayBeLost: Bool) {
    guard let pool = pools[index] else { return }
    let publisher = world.publishers[index]
    for (task, status) in expected.sorted(by: { $0.key.index < $1.key.index })
    where task.pool == pool {
      guard let outcomes = publisher.outcomes[task], let last = outcomes.last else {
        note("task \(task.index) has no end")
        continue
      }
      // A publisher that was killed may report the same end again.
      for outcome in outcomes where outcome != last {
        note("task \(task.index) ends as \(outcome) and as \(last)")
      }
      switch last {
      case .line(let line, _):
        if line.kind == .lost && mayBeLost { continue }
        if line.kind != .exited || line.status != Int32(status) {
          note("task \(task.index): \(line.kind.text) \(line.status), not exited \(status)")
        }
      case .lost: if !mayBeLost { note("task \(task.index) is lost") }
      // The only machine lost it, and does not get the same task again.
      case .notHired: if !mayBeLost { note("task \(task.index) found no machine") }
      case .stopped: note("task \(task.index) was stopped")
      }
    }
  }

  /// What each provider is owed and cannot collect stays below what it agreed to risk.
  private func checkProviders(byPublishers: [Int]) {
    for provider in world.providers {
      let unconfirmedSat = max(10, provider.behaviour.hourSat / 6)
      for summary in provider.summaries.values {
        let collectedSat = world.payoutSat(of: summary, to: provider.payoutScript)
        let lossSat = summary.owedSat - min(summary.owedSat, collectedSat)
        let riskSat = provider.risks[summary.contract] ?? 100
        let boundSat = max(riskSat, unconfirmedSat)
        if lossSat > boundSat {
          note(
            "provider \(provider.index) loses \(lossSat) of \(summary.owedSat) sat, at most "
              + "\(boundSat) were at risk; collected \(collectedSat)")
        }
      }
    }
  }

  /// Both ends of each lease that came to its receipt agree to the sat.
  private func checkBooks() {
    for (index, pool) in pools {
      for lease in world.publishers[index].machine.leases(of: pool) {
        for provider in world.providers {
          guard let theirs = provider.summaries[lease.id] else { continue }
          if theirs.paidSat > lease.paidSat {
            note("the provider holds \(theirs.paidSat) sat, \(lease.paidSat) were signed")
          }
          if lease.hasReceipt && (theirs.owedSat != lease.owedSat) {
            note("owed: \(theirs.owedSat) by the provider, \(lease.owedSat) by the publisher")
          }
          if lease.hasReceipt && lease.paidSat < lease.owedSat {
            note("a receipt for \(lease.owedSat) sat of which \(lease.paidSat) were paid")
          }
        }
      }
    }
  }

  /// What the publisher paid stays below what its machines can have been used for, and its loss limits.
  private func checkPublisher(_ index: Int) {
    guard let pool = pools[index] else { return }
    for lease in world.publishers[index].machine.leases(of: pool) {
      let contract = lease.contract.body
      let elapsedMs = world.nowMs - 1_000_000
      let hours = Double(elapsedMs + 2_000) * 1.001 / Double(MarketScenario.hourMs)
      let ceiling = Double(contract.priceCeilingSatPerHour) * hours
      let bound = UInt64(ceiling) + contract.publisherMaxLossSat
      if lease.paidSat > bound { note("paid \(lease.paidSat) sat, at most \(bound) were agreed") }
      let most = Price.fullUse(contract.share, ms: elapsedMs + elapsedMs / 1000 + 2_001)
      let possible = max(contract.owedSat(most) ?? .max, contract.firstPaymentSat)
      let firsts = UInt64(lease.channels.count) * contract.firstPaymentSat
      if lease.paidSat > possible + firsts {
        note("paid \(lease.paidSat) sat for use of at most \(possible) sat")
      }
    }
    let balance = world.publishers[index].machine.balance
    if balance.totalSat == 0 { note("the publisher's wallet is empty") }
  }
}
