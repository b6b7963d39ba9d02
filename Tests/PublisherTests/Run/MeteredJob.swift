import TestSupport

@testable import Sandbox

/// A job that computes, takes memory and gives it back at random, looked at by a real ``Meter``, and beside
/// it a slow and obvious account of the same.
final class MeteredJob {
  private var meter = Meter()
  private var random: SeededGenerator
  private let cpuMilli: UInt64
  private let memoryLimit: UInt64
  // What the kernel would have counted, to the nanosecond and the byte.
  private var reading = CgroupReading()
  private var atMs: UInt64 = 0
  private var isFrozen = false
  private var isOver = false

  // The obvious account.
  private var cpuNs: UInt64 = 0
  private(set) var ranMs: UInt64 = 0
  private(set) var frozenMs: UInt64 = 0
  private(set) var looks = 0
  /// Byte times milliseconds, twice.
  private var twiceArea: UInt64 = 0
  private var lastBytes: UInt64 = 0
  private var mostBytes: UInt64 = 0
  private var ranSinceLookMs: UInt64 = 0

  init(seed: UInt64, cpuMilli: UInt64, memoryBytes: UInt64) {
    random = SeededGenerator(seed: seed)
    self.cpuMilli = cpuMilli
    memoryLimit = memoryBytes
  }

  /// Millisecond by millisecond.
  private func live(_ nowMs: UInt64) {
    while atMs < nowMs && !isOver {
      atMs += 1
      if isFrozen {
        frozenMs += 1
        continue
      }
      ranMs += 1
      ranSinceLookMs += 1
      let ns = random.next() % (cpuMilli * 1000 + 1)
      reading.cpuNs += ns
      cpuNs += ns
      if random.once(in: 500) { hold(random.next() % (memoryLimit + 1)) }
    }
  }

  private func hold(_ bytes: UInt64) {
    reading.memoryBytes = bytes
    reading.memoryPeakBytes = max(reading.memoryPeakBytes, bytes)
    mostBytes = max(mostBytes, bytes)
  }

  func started(_ nowMs: UInt64) {
    atMs = nowMs
    // The walls took some.
    reading.cpuNs = 3_000_001
    hold(1 << 20)
    meter.started(reading, cpuNs: reading.cpuNs, cpuMilli: cpuMilli, nowMs: nowMs)
    lastBytes = reading.memoryBytes
  }

  func froze(_ nowMs: UInt64) {
    live(nowMs)
    isFrozen = true
    meter.froze(nowMs: nowMs)
  }

  func thawed(_ nowMs: UInt64) {
    live(nowMs)
    isFrozen = false
    meter.thawed(nowMs: nowMs)
  }

  func ended(_ nowMs: UInt64) {
    live(nowMs)
    isOver = true
    twiceArea += 2 * lastBytes * ranSinceLookMs
    // It is gone when the kernel is asked.
    reading.memoryBytes = 0
    meter.ended(reading, ranMs: ranMs + frozenMs, nowMs: nowMs)
  }

  func look(_ nowMs: UInt64) -> UsageSample {
    live(nowMs)
    if !isOver {
      looks += 1
      twiceArea += (lastBytes + reading.memoryBytes) * ranSinceLookMs
      lastBytes = reading.memoryBytes
      ranSinceLookMs = 0
      meter.take(reading, nowMs: nowMs)
    }
    return meter.sample(nowMs: nowMs)
  }

  var memoryPeakKiB: UInt64 { mostBytes >> 10 }
  var cpuMs: UInt64 { cpuNs / 1_000_000 }
  var memoryMiBMs: UInt64 { (twiceArea / 2) >> 20 }
}
