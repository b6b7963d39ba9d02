import TestSupport
import Testing

@testable import Market

struct PricingTests {
  private func real(_ random: inout SeededGenerator) -> Double {
    Double(random.int(0...1_000_000)) / 1000
  }

  private func residual(_ rows: [[Double]], _ targets: [Double], _ x: [Double]) -> Double {
    var sum = 0.0
    for (row, target) in zip(rows, targets) {
      var value = -target
      for (left, right) in zip(row, x) { value += left * right }
      sum += value * value
    }
    return sum
  }

  /// The Karush-Kuhn-Tucker conditions: nothing negative, and no unknown can move and gain.
  private func isOptimal(_ rows: [[Double]], _ targets: [Double], _ x: [Double]) -> Bool {
    for column in x.indices {
      if x[column] < 0 { return false }
      var slope = 0.0
      var size = 0.0
      for (row, target) in zip(rows, targets) {
        var value = target
        for (left, right) in zip(row, x) { value -= left * right }
        slope += row[column] * value
        size += row[column].magnitude * target.magnitude
      }
      if slope > 1e-6 * max(size, 1) { return false }
      if x[column] > 0 && slope.magnitude > 1e-6 * max(size, 1) { return false }
    }
    return true
  }

  @Test func leastSquaresAreOptimal() {
    var random = SeededGenerator(seed: 4)
    for turn in 0..<3000 {
      let columns = random.int(1...6)
      let rows = (0..<random.int(1...12)).map { _ in
        (0..<columns).map { column in
          // Columns of very different size, some of zeros.
          turn % 7 == column ? 0 : real(&random) * [1, 1000, 0.001][column % 3]
        }
      }
      let targets = rows.map { _ in real(&random) * (random.once(in: 3) ? -1 : 1) }
      let x = NonNegativeLeastSquares.solve(rows: rows, targets: targets)
      #expect(x.count == columns)
      #expect(isOptimal(rows, targets, x), "turn \(turn)")
    }
  }

  @Test func exactRatesAreFound() {
    var random = SeededGenerator(seed: 6)
    for _ in 0..<200 {
      let truth = (0..<6).map { _ in random.once(in: 3) ? 0 : real(&random) }
      let rows = (0..<10).map { _ in (0..<6).map { _ in real(&random) } }
      let targets = rows.map { row in zip(row, truth).map { $0 * $1 }.reduce(0, +) }
      let x = NonNegativeLeastSquares.solve(rows: rows, targets: targets)
      #expect(residual(rows, targets, x) < 1e-6 * targets.map { $0 * $0 }.reduce(1, +))
      for (found, true_) in zip(x, truth) { #expect((found - true_).magnitude < 1e-3) }
    }
  }

  @Test func dependentColumnsDoNoHarm() {
    let rows = [[1.0, 2, 0], [2, 4, 0], [3, 6, 0]]
    let x = NonNegativeLeastSquares.solve(rows: rows, targets: [5, 10, 15])
    #expect(residual(rows, [5, 10, 15], x) < 1e-12)
    #expect(x[2] == 0)
    #expect(NonNegativeLeastSquares.solve(rows: [], targets: []).isEmpty)
    #expect(NonNegativeLeastSquares.solve(rows: [[0, 0]], targets: [3]) == [0, 0])
    #expect(NonNegativeLeastSquares.solve(rows: [[1, 1]], targets: [-3]) == [0, 0])
  }

  private func machine(_ random: inout SeededGenerator) -> MachineCapacity {
    MachineCapacity(
      milliCpus: UInt32(random.int(1...64) * 500), memoryMiB: UInt32(random.int(32...65_536)),
      diskReadKiBPerS: UInt32(random.int(0...500_000)),
      diskWriteKiBPerS: UInt32(random.int(0...200_000)))
  }

  private func share(of machine: MachineCapacity, _ random: inout SeededGenerator) -> ShareLimits {
    ShareLimits(
      memoryMiB: UInt32(random.int(1...Int(machine.memoryMiB))),
      milliCpus: UInt32(random.int(1...Int(machine.milliCpus))), pids: 10, diskMiB: 10)
  }

  private func hourSat(
    _ rates: RateVector, _ share: ShareLimits, cpuTenths: UInt64 = 10, memoryTenths: UInt64 = 10
  ) throws -> Double {
    var usage = Price.fullUse(share, ms: 3_600_000)
    usage.tasks.cpuMs = usage.tasks.cpuMs * cpuTenths / 10
    usage.tasks.memoryMiBMs = usage.tasks.memoryMiBMs * memoryTenths / 10
    return Double(try #require(Price.owedSat(rates, usage)))
  }

  /// Rounding of rates: half a psat for each MiB, processor and millisecond; and one sat in the end.
  private func slack(_ share: ShareLimits) -> Double {
    2 + Double(share.memoryMiB + share.milliCpus) * 3_600_000 / 1e12
  }

  @Test func aFullHourEarnsTheSharesPartOfTheWish() throws {
    var random = SeededGenerator(seed: 9)
    for _ in 0..<500 {
      let machine = machine(&random)
      let share = share(of: machine, &random)
      let wish = Pricing.Wish(
        hourlySat: UInt64(random.int(1...1_000_000)),
        occupancyMilli: UInt32(random.int(0...1000)))
      let rates = Pricing.rates(for: share, of: machine, wish)
      let fraction = max(
        Double(share.milliCpus) / Double(machine.milliCpus),
        Double(share.memoryMiB) / Double(machine.memoryMiB))
      let target = Double(wish.hourlySat) * fraction
      let earned = try hourSat(rates, share)
      #expect((earned - target).magnitude <= slack(share), "\(earned) for \(target)")
      let idle = try hourSat(rates, share, cpuTenths: 0, memoryTenths: 0)
      let reserved = target * Double(wish.occupancyMilli) / 1000
      #expect((idle - reserved).magnitude <= slack(share), "\(idle) for \(reserved)")
      // The same question has the same answer.
      #expect(rates == Pricing.rates(for: share, of: machine, wish))
    }
  }

  @Test func measuredRunsDecideHowTheRestIsSharedOut() {
    let machine = MachineCapacity(milliCpus: 2000, memoryMiB: 512)
    let share = ShareLimits(memoryMiB: 512, milliCpus: 2000, pids: 1, diskMiB: 1)
    // A run that only computes, and one that only holds memory.
    let runs = [
      UsageVector(cpuMs: 2000, wallMs: 1000), UsageVector(memoryMiBMs: 512_000, wallMs: 1000),
    ]
    let rates = Pricing.rates(
      for: share, of: machine, Pricing.Wish(hourlySat: 10_000), runs: runs)
    #expect(rates.cpuPsatPerMs > 0 && rates.memoryPsatPerMiBMs > 0)
    #expect(rates.diskReadPsatPerKiB == 0 && rates.networkPsatPerKiB == 0)
    let compute = rates.cpuPsatPerMs * 2
    let hold = rates.memoryPsatPerMiBMs * 512
    #expect(max(compute, hold) - min(compute, hold) <= 512)
  }

  @Test func nothingIsSoldBelowItsEnergy() throws {
    var random = SeededGenerator(seed: 10)
    for _ in 0..<1000 {
      let machine = machine(&random)
      let share = share(of: machine, &random)
      let load = UInt32(random.int(1...500_000))
      let energy = EnergyCost(
        idleMilliwatts: UInt32(random.int(0...Int(load))), loadMilliwatts: load,
        satPerKilowattHour: UInt64(random.int(1...100_000)))
      let hourly = random.once(in: 2) ? 0 : UInt64(random.int(0...2 * Int(energy.loadSatPerHour)))
      let rates = Pricing.rates(
        for: share, of: machine,
        Pricing.Wish(
          hourlySat: hourly, energy: energy, occupancyMilli: UInt32(random.int(0...1000))))
      let cpuPart = Double(share.milliCpus) / Double(machine.milliCpus)
      let fraction = max(cpuPart, Double(share.memoryMiB) / Double(machine.memoryMiB))
      for tenths in [UInt64(0), 1, 3, 7, 10] {
        let owed = try hourSat(rates, share, cpuTenths: tenths, memoryTenths: 0)
        let milliwatts =
          Double(energy.idleMilliwatts) * fraction
          + Double(load - energy.idleMilliwatts) * cpuPart * Double(tenths) / 10
        let cost = milliwatts / 1e6 * Double(energy.satPerKilowattHour)
        #expect(owed + slack(share) >= cost, "\(tenths) tenths: \(owed) < \(cost)")
      }
    }
  }

  @Test func absurdConfigurationsDoNotTrap() {
    let machine = MachineCapacity(milliCpus: 0, memoryMiB: 0)
    let share = ShareLimits(memoryMiB: 0, milliCpus: 0, pids: 0, diskMiB: 0)
    let energy = EnergyCost(
      idleMilliwatts: .max, loadMilliwatts: .max, satPerKilowattHour: .max)
    #expect(energy.loadSatPerHour == .max)
    let silly = UsageVector(
      cpuMs: .max, memoryMiBMs: .max, diskReadKiB: .max, networkKiB: .max, wallMs: 1)
    for share in [share, ShareLimits(memoryMiB: .max, milliCpus: .max, pids: 1, diskMiB: 1)] {
      _ = Pricing.rates(
        for: share, of: machine, Pricing.Wish(hourlySat: .max, energy: energy), runs: [silly])
    }
    #expect(
      Pricing.rates(for: share, of: machine, Pricing.Wish(hourlySat: 0)) == RateVector())
  }
}
