import Agent
import Bytes
import Host
import Market
import Sandbox

/// The driver's part of a lease: its share, its bundles in memory, its tasks.
final class LeaseBody {
  let key: LeaseKey
  private let share: SandboxShare
  private var bundles: [(digest: Bytes32, file: MemoryFile)] = []
  private(set) var tasks: [TaskBody] = []
  private let hands: Hands

  init(_ key: LeaseKey, _ share: SandboxShare, _ hands: Hands) {
    self.key = key
    self.share = share
    self.hands = hands
  }

  // MARK: Bundles

  func stage(_ digest: Bytes32, _ bytes: [UInt8]) {
    do throws(HostError) {
      try file(digest).append(bytes)
    } catch {
      hands.log.error("bundle: " + error.message)
      drop(digest)
      hands.machine.bundleLost(key, digest: digest, hands.now)
    }
  }

  private func file(_ digest: Bytes32) throws(HostError) -> MemoryFile {
    for bundle in bundles where bundle.digest == digest { return bundle.file }
    let file = try MemoryFile()
    bundles.append((digest, file))
    return file
  }

  /// A sandbox that is being filled keeps its open file.
  func drop(_ digest: Bytes32) { bundles.removeAll { $0.digest == digest } }

  // MARK: Tasks

  func task(_ number: UInt32) -> TaskBody? {
    for task in tasks where task.ref.number == number { return task }
    return nil
  }

  /// Creates the task's sandbox ahead. An error is ignored here; ``start(_:_:_:)`` reports it.
  func prepare(_ number: UInt32, _ spec: JobSpec, _ digests: [Bytes32]) {
    if task(number) == nil { _ = try? made(number, spec, digests) }
  }

  private func made(
    _ number: UInt32, _ spec: JobSpec, _ digests: [Bytes32]
  ) throws(SandboxError) -> TaskBody {
    let process = try hands.sandbox.prepare(
      spec, bundles: try files(digests), in: share, nowMs: hands.nowMs)
    let task = TaskBody(TaskRef(lease: key, number: number), process, hands)
    tasks.append(task)
    return task
  }

  func start(_ number: UInt32, _ spec: JobSpec, _ digests: [Bytes32]) {
    do throws(SandboxError) {
      if let task = task(number) {
        try task.begin()
      } else {
        try made(number, spec, digests).begin()
      }
    } catch {
      hands.log.error("task \(number): " + error.message)
      hands.machine.taskEnded(
        TaskRef(lease: key, number: number), .setupFailed(step: "start", code: 0), UsageSample(),
        hands.now)
    }
  }

  private func files(_ digests: [Bytes32]) throws(SandboxError) -> [Int32] {
    var files: [Int32] = []
    for digest in digests {
      guard let bundle = bundles.first(where: { $0.digest == digest }) else {
        throw SandboxError.wrongState("bundle " + digest.hex + " is not here")
      }
      files.append(bundle.file.fd)
    }
    return files
  }

  /// Removes a task without sandbox and results.
  func dropIfEmpty(_ number: UInt32) {
    tasks.removeAll { $0.ref.number == number && $0.isEmpty }
  }

  // MARK: The share

  var isFrozen: Bool { share.isFrozen }

  func setFrozen(_ on: Bool) {
    hands.report { () throws(SandboxError) in
      if on { try share.freeze(nowMs: hands.nowMs) } else { try share.thaw(nowMs: hands.nowMs) }
    }
  }

  /// Removes the lease. All its sandboxes were handed over before.
  func close() {
    tasks = []
    bundles = []
    hands.report { () throws(SandboxError) in try share.close() }
  }
}
