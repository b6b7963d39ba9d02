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

  private func hourlySat(_ rates: RateVector, _ machine: MachineCapacity) -> UInt64? {
    Price.owedSat(
      rates,
      UsageVector(
        cpuMs: 3600 * UInt64(machine.milliCpus),
        memoryMiBMs: 3_600_000 * UInt64(machine.memoryMiB), wallMs: 3_600_000))
  }

  @Test func aFullHourEarnsTheWish() throws {
    var random = SeededGenerator(seed: 9)
    for _ in 0..<500 {
      let machine = MachineCapacity(
        milliCpus: UInt32(random.int(1...64) * 500), memoryMiB: UInt32(random.int(32...65_536)),
        diskReadKiBPerS: UInt32(random.int(0...500_000)),
        diskWriteKiBPerS: UInt32(random.int(0...200_000)))
      let wish = UInt64(random.int(1...1_000_000))
      let rates = Pricing.rates(hourlySat: wish, runs: [], machine: machine, energy: nil)
      let earned = try #require(hourlySat(rates, machine))
      // Rounding of rates: half a psat for each MiB and millisecond, at most.
      let slack = 2 + UInt64(machine.memoryMiB) * 3_600_000 / 1_000_000_000_000
      #expect(earned + slack >= wish && earned <= wish + slack, "\(earned) for \(wish)")
      // The same question has the same answer.
      #expect(
        rates == Pricing.rates(hourlySat: wish, runs: [], machine: machine, energy: nil))
    }
  }

  @Test func measuredRunsDecideTheShares() {
    let machine = MachineCapacity(milliCpus: 2000, memoryMiB: 512)
    // A run that only computes, and one that only holds memory.
    let runs = [
      UsageVector(cpuMs: 2000, wallMs: 1000), UsageVector(memoryMiBMs: 512_000, wallMs: 1000),
      UsageVector(wallMs: 1000),
    ]
    let rates = Pricing.rates(hourlySat: 10_000, runs: runs, machine: machine, energy: nil)
    #expect(rates.cpuPsatPerMs > 0 && rates.memoryPsatPerMiBMs > 0 && rates.wallPsatPerMs > 0)
    #expect(rates.diskReadPsatPerKiB == 0 && rates.networkPsatPerKiB == 0)
    let compute = rates.cpuPsatPerMs * 2
    let hold = rates.memoryPsatPerMiBMs * 512
    #expect(max(compute, hold) - min(compute, hold) <= 512)
  }

  @Test func nothingIsSoldBelowItsEnergy() throws {
    var random = SeededGenerator(seed: 10)
    for _ in 0..<1000 {
      let machine = MachineCapacity(
        milliCpus: UInt32(random.int(1...64_000)), memoryMiB: UInt32(random.int(32...65_536)))
      let load = UInt32(random.int(1...500_000))
      let energy = EnergyCost(
        idleMilliwatts: UInt32(random.int(0...Int(load))), loadMilliwatts: load,
        satPerKilowattHour: UInt64(random.int(1...100_000)))
      let wish = random.once(in: 2) ? 0 : UInt64(random.int(0...2 * Int(energy.loadSatPerHour)))
      let rates = Pricing.rates(hourlySat: wish, runs: [], machine: machine, energy: energy)
      let most = 3600 * UInt64(machine.milliCpus)
      for part in [UInt64(0), 1, 3, 7, 10] {
        let cpuMs = most * part / 10
        let owed = try #require(
          Price.owedSat(rates, UsageVector(cpuMs: cpuMs, wallMs: 3_600_000)))
        let milliwatts =
          Double(energy.idleMilliwatts) + Double(load - energy.idleMilliwatts) * Double(cpuMs)
          / Double(most)
        let cost = milliwatts / 1e6 * Double(energy.satPerKilowattHour)
        #expect(Double(owed) >= cost * 0.999_999, "part \(part): \(owed) < \(cost)")
      }
      // A full hour costs the wish, or its energy where that is more.
      let hour = try #require(hourlySat(rates, machine))
      let target = max(wish, energy.loadSatPerHour)
      let slack = 3 + UInt64(machine.memoryMiB + machine.milliCpus) * 3_600_000 / 1_000_000_000_000
      #expect(hour + slack >= target && hour <= target + slack, "\(hour) for \(target)")
    }
  }

  @Test func absurdConfigurationsDoNotTrap() {
    let machine = MachineCapacity(milliCpus: 0, memoryMiB: 0)
    let energy = EnergyCost(
      idleMilliwatts: .max, loadMilliwatts: .max, satPerKilowattHour: .max)
    let rates = Pricing.rates(hourlySat: .max, runs: [], machine: machine, energy: energy)
    #expect(rates.wallPsatPerMs > 0)
    #expect(energy.loadSatPerHour == .max)
    let silly = UsageVector(
      cpuMs: .max, memoryMiBMs: .max, diskReadKiB: .max, networkKiB: .max, wallMs: 1)
    _ = Pricing.rates(hourlySat: .max, runs: [silly], machine: machine, energy: nil)
    #expect(
      Pricing.rates(hourlySat: 0, runs: [silly], machine: machine, energy: nil) == RateVector())
  }
}
