import Agent
import Bitcoin
import Bytes
import Host
import Sandbox

/// The idle policy's inputs: sensors are read every few seconds; the core decides.
extension AgentProgram {
  static let ownerPeriodMs: UInt64 = 5_000

  func readOwner() {
    reactor.setTimer(TimerToken.owner, atMs: Clock.monotonicMs() + AgentProgram.ownerPeriodMs)
    let wishes = configuration.owner
    var readings = OwnerReadings()
    if wishes.loadMilli > 0 { readings.othersLoadMilli = othersLoad() }
    if wishes.quietSeconds > 0 {
      readings.idleSeconds = sensors.idleSeconds(
        nowMs: Clock.monotonicMs(), unixSeconds: Clock.unixSeconds())
    }
    if !wishes.worksOnBattery { readings.isOnBattery = sensors.isOnBattery() }
    readings.milliCelsius = sensors.hottestMilliCelsius()
    if !wishes.hours.isEmpty {
      readings.minuteOfDay = OwnerSensors.minuteOfDay(unixSeconds: Clock.unixSeconds())
    }
    if wishes.flashMiBPerDay > 0 { readings.writtenBytes = sensors.writtenBytes() }
    machine.ownerRead(readings, now)
  }

  /// The processor load of other programs than agent and tasks, in thousandths of all processors;
  /// nil if unknown.
  private func othersLoad() -> UInt32? {
    let ours = OwnerSensors.ownProcessorMs() + executor.processorMs()
    let before = oursMs
    // The benchmark process's time is known only after its end, so no load is computed meanwhile.
    oursMs = measuring == nil ? ours : nil
    guard let time = sensors.processorTime(), let before, measuring == nil else { return nil }
    let used = ours > before ? ours - before : 0
    let others = time.busyMs > used ? time.busyMs - used : 0
    return UInt32(min(1000, others * 1000 / max(1, time.totalMs)))
  }
}
