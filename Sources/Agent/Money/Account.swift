import Bitcoin
import Bytes
import Market

/// A lease's usage and the amount owed: task lines, running tasks, reserved time and transferred
/// bytes. No reported counter decreases. Shared by a lease's books and its tasks.
final class Account {
  let contract: Contract
  /// The freeze rule at the longest interval between samples.
  let rule: FreezeRule
  /// The sample interval of a task.
  let sampleMs: UInt64
  private var clock: ReservationClock
  private(set) var reported: LeaseUsage
  private(set) var trafficBytes: UInt64
  private let openedMs: UInt64
  /// Traffic is no longer counted.
  private var isClosed = false

  init(_ contract: Contract, _ sums: LeaseSums = LeaseSums(), nowMs: UInt64) {
    self.contract = contract
    sampleMs = Account.sampleMs(contract)
    rule = FreezeRule(
      contract.rates, contract.share, sampleMs: LeaseTimes.lateSampleMs(sampleMs))
    clock = ReservationClock(countedMs: sums.reported.reservedMs)
    reported = sums.reported
    trafficBytes = sums.trafficBytes
    openedMs = nowMs
  }

  /// Chosen so that the share's use between two samples is a small part of the contract's loss
  /// limit.
  private static func sampleMs(_ contract: Contract) -> UInt64 {
    var sampleMs = min(LeaseTimes.mostSampleMs, UInt64(contract.payoutIntervalMs))
    while sampleMs > LeaseTimes.leastSampleMs {
      let rule = FreezeRule(
        contract.rates, contract.share, sampleMs: LeaseTimes.lateSampleMs(sampleMs))
      if rule.headroomSat <= contract.providerMaxLossSat / 8 { break }
      sampleMs /= 2
    }
    return max(sampleMs, LeaseTimes.leastSampleMs)
  }

  // MARK: Time and traffic

  var isReserving: Bool { clock.isRunning }

  func reserve(_ isRunning: Bool, nowMs: UInt64) {
    clock.set(running: isRunning, nowMs: nowMs)
  }

  func reservedMs(nowMs: UInt64) -> UInt64 { clock.totalMs(nowMs: nowMs) }

  /// The call broke: removes the time counted after the silence limit.
  func silent(sinceMs: UInt64, nowMs: UInt64) {
    let countedMs = clock.totalMs(nowMs: nowMs)
    let silentMs = nowMs - min(sinceMs, nowMs)
    let wasRunning = clock.isRunning
    if !wasRunning || silentMs <= LeaseTimes.silenceMs { return }
    clock = ReservationClock(
      countedMs: countedMs - min(countedMs, silentMs - LeaseTimes.silenceMs))
  }

  /// Adopts the publisher's count after a reconnection. Returns false if the counts differ too
  /// much.
  func adopt(_ theirsMs: UInt64, nowMs: UInt64) -> Bool {
    if !clock.adopt(theirsMs, nowMs: nowMs) { return false }
    // The publisher cannot have accepted a report above its own count plus the tolerance.
    reported.reservedMs = min(
      reported.reservedMs, theirsMs + theirsMs >> 10 + UsageRule.toleranceMs)
    return true
  }

  func moved(_ bytes: UInt64) { if !isClosed { trafficBytes += bytes } }

  /// All tasks have ended: traffic from here on is not charged.
  func close(nowMs: UInt64) {
    clock.set(running: false, nowMs: nowMs)
    isClosed = true
  }

  /// A repeated bundle transfer that was already charged.
  func uncharge(_ bytes: UInt64) { trafficBytes -= min(trafficBytes, bytes) }

  // MARK: Usage

  /// Limits disk usage to what may still be charged; `sum` is the lines' usage.
  func chargeable(_ usage: UsageVector, after sum: UsageVector, nowMs: UInt64) -> UsageVector {
    let most = TrafficAllowance.charged(
      sum.adding(usage), contract.traffic, elapsedMs: nowMs - openedMs)
    var chargeable = usage
    chargeable.diskReadKiB = most.diskReadKiB - min(sum.diskReadKiB, most.diskReadKiB)
    chargeable.diskWriteKiB = most.diskWriteKiB - min(sum.diskWriteKiB, most.diskWriteKiB)
    chargeable.networkKiB = 0
    return chargeable
  }

  func usage(lines: UsageVector, running: UsageVector, nowMs: UInt64) -> LeaseUsage {
    var tasks = lines.adding(running)
    tasks.networkKiB = trafficBytes >> 10
    let elapsedMs = nowMs - min(openedMs, nowMs)
    tasks = TrafficAllowance.charged(tasks, contract.traffic, elapsedMs: elapsedMs)
    return Account.higher(
      LeaseUsage(tasks: tasks, reservedMs: clock.totalMs(nowMs: nowMs)), reported)
  }

  /// The maximum of each counter.
  private static func higher(_ left: LeaseUsage, _ right: LeaseUsage) -> LeaseUsage {
    var most = left
    most.reservedMs = max(left.reservedMs, right.reservedMs)
    most.tasks.cpuMs = max(left.tasks.cpuMs, right.tasks.cpuMs)
    most.tasks.memoryMiBMs = max(left.tasks.memoryMiBMs, right.tasks.memoryMiBMs)
    most.tasks.memoryPeakKiB = max(left.tasks.memoryPeakKiB, right.tasks.memoryPeakKiB)
    most.tasks.diskReadKiB = max(left.tasks.diskReadKiB, right.tasks.diskReadKiB)
    most.tasks.diskWriteKiB = max(left.tasks.diskWriteKiB, right.tasks.diskWriteKiB)
    most.tasks.networkKiB = max(left.tasks.networkKiB, right.tasks.networkKiB)
    most.tasks.wallMs = max(left.tasks.wallMs, right.tasks.wallMs)
    most.tasks.frozenMs = max(left.tasks.frozenMs, right.tasks.frozenMs)
    return most
  }

  func report(_ usage: LeaseUsage) { reported = usage }

  /// Includes the debt named in the contract.
  func owedSat(_ usage: LeaseUsage) -> UInt64 { contract.owedSat(usage) ?? UInt64.max }
}
