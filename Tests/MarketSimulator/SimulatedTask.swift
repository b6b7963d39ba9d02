import Sandbox

/// A task in a simulated sandbox: it keeps its processors busy for a time, prints, leaves results, and
/// returns. What it does is in its arguments: `work MS STATUS OUTPUT_BYTES RESULT_BYTES`.
struct SimulatedTask {
  let spec: JobSpec
  private let durationMs: UInt64
  let status: UInt8
  let outputBytes: Int
  let resultBytes: Int
  private let startedAtMs: UInt64
  private var frozenMs: UInt64 = 0
  private var frozenSinceMs: UInt64?
  private(set) var endedAtMs: UInt64?

  init(_ spec: JobSpec, nowMs: UInt64, isFrozen: Bool) {
    func argument(_ index: Int) -> UInt64 {
      index < spec.arguments.count ? UInt64(spec.arguments[index]) ?? 0 : 0
    }
    self.spec = spec
    durationMs = argument(1)
    status = UInt8(truncatingIfNeeded: argument(2))
    outputBytes = Int(argument(3))
    resultBytes = Int(argument(4))
    startedAtMs = nowMs
    if isFrozen { frozenSinceMs = nowMs }
  }

  mutating func setFrozen(_ frozen: Bool, nowMs: UInt64) {
    if endedAtMs != nil || frozen == (frozenSinceMs != nil) { return }
    if let since = frozenSinceMs { frozenMs += nowMs - since }
    frozenSinceMs = frozen ? nowMs : nil
  }

  mutating func end(nowMs: UInt64) { if endedAtMs == nil { endedAtMs = nowMs } }

  /// When its work is done; nil while it stands still, or after its end.
  var endsAtMs: UInt64? {
    frozenSinceMs == nil && endedAtMs == nil ? startedAtMs + frozenMs + durationMs : nil
  }

  /// What it used in truth.
  func usage(nowMs: UInt64) -> UsageSample {
    let endMs = endedAtMs ?? nowMs
    var frozen = frozenMs
    if let since = frozenSinceMs { frozen += endMs - min(since, endMs) }
    var sample = UsageSample()
    sample.wallMs = endMs - startedAtMs
    sample.frozenMs = min(frozen, sample.wallMs)
    let runningMs = sample.wallMs - sample.frozenMs
    sample.cpuMs = runningMs * spec.limits.cpuMilli / 1000
    let memoryMiB = spec.limits.memoryBytes >> 20
    sample.memoryMiBMs = runningMs * memoryMiB / 2
    sample.memoryPeakKiB = memoryMiB << 9
    return sample
  }
}
