import Bitcoin
import Bytes
import Channel
import Crypto
import Market
import Sandbox
import Session

/// The job's files: pulled from the publisher, held in memory, and given to the sandbox only when
/// their digest is the contract's.
extension Job {
  /// Bytes that the publisher may send before this machine grants more.
  static let bundleWindow = 256 * 1024

  func pullBundle() {
    guard let contract, stage == .transferring, !isSandboxed, bundleStream == nil,
      session?.isEstablished == true
    else { return }
    if bundleCache == .notAsked {
      bundleCache = .asked
      return context.emit(
        .loadBundle(key, digest: contract.bundleDigest, bytes: contract.bundleBytes))
    }
    if bundleCache == .asked { return }
    bundleStream = session?.open(
      StreamOpening(kind: .fileIn, key: contractId, receiveOffset: bundleBytes),
      window: window(contract))
  }

  /// Bundles that are kept from earlier jobs need no transfer.
  func bundleLoaded(isStaged: Bool) {
    guard let contract, bundleCache == .asked, stage == .transferring, !isSandboxed else { return }
    bundleCache = .hasNone
    if !isStaged { return pullBundle() }
    bundleBytes = contract.bundleBytes
    context.info(label + "its bundle is here already")
    say(.bundleComplete)
    startSandbox()
  }

  private func window(_ contract: Contract) -> Int {
    Int(min(UInt64(Job.bundleWindow), contract.bundleBytes - bundleBytes))
  }

  func bundleReceived(_ bytes: [UInt8]) {
    guard let contract, let stream = bundleStream else { return }
    if UInt64(bytes.count) > contract.bundleBytes - bundleBytes {
      return failBundle("is longer than the contract says")
    }
    waitForPublisher()
    bundleBytes += UInt64(bytes.count)
    bundleHash.update(bytes)
    context.emit(.stageBundle(key, bytes))
    if bundleBytes < contract.bundleBytes {
      _ = session?.grant(
        stream,
        bytes: Int(min(UInt64(bytes.count), contract.bundleBytes - bundleBytes)))
      return
    }
    bundleStream = nil
    session?.endStream(stream)
    if bundleHash.finish() != contract.bundleDigest {
      return failBundle("has another digest than the contract says")
    }
    say(.bundleComplete)
    context.emit(.cacheBundle(key, digest: contract.bundleDigest))
    startSandbox()
  }

  func bundleEnded() {
    if stage == .transferring && !isSandboxed { failBundle("ends early") }
  }

  private func failBundle(_ reason: String) {
    context.emit(.dropBundle(key))
    refuse(.bundle, "the bundle " + reason)
    jobOver(.neverRan, status: 0)
  }

  private func startSandbox() {
    guard let record else { return }
    let offer = record.offer
    var environment: [String] = []
    for entry in jobEnvironment() { environment.append(String(decoding: entry, as: UTF8.self)) }
    var arguments: [String] = []
    for word in offer.arguments { arguments.append(String(decoding: word, as: UTF8.self)) }
    let limits = offer.limits
    let spec = JobSpec(
      name: String(decoding: Array(contractId.hex.utf8).prefix(16), as: UTF8.self),
      arguments: arguments, environment: environment,
      workdir: String(decoding: offer.workdir, as: UTF8.self),
      limits: JobLimits(
        memoryBytes: UInt64(limits.memoryMiB) << 20, cpuMilli: UInt64(limits.milliCpus),
        pids: UInt64(limits.pids), diskBytes: UInt64(limits.diskMiB) << 20),
      isolation: Job.isolation(offer.isolation))
    isSandboxed = true
    patienceEndsAtMs = nil
    context.emit(.startSandbox(key, spec))
  }

  /// What the offer says, and what every job finds.
  func jobEnvironment() -> [[UInt8]] {
    guard let record else { return [] }
    let offer = record.offer
    var environment = [
      Array("ZENNET_WORKER=\(record.contract.contract.workerIndex)".utf8),
      Array("ZENNET_WORKERS=\(offer.workers)".utf8),
    ]
    if !offer.environment.contains(where: { Job.hasName($0, "PATH=") }) {
      environment.append(Array(("PATH=" + JobSpec.ordinaryPath).utf8))
    }
    if !offer.environment.contains(where: { Job.hasName($0, "HOME=") }) {
      environment.append(Array("HOME=/work".utf8))
    }
    return environment + offer.environment
  }

  private static func isolation(_ wanted: IsolationWanted) -> IsolationLevel {
    wanted == .full ? .full : .reduced
  }

  private static func hasName(_ entry: [UInt8], _ name: StaticString) -> Bool {
    if entry.count < name.utf8CodeUnitCount { return false }
    for index in 0..<name.utf8CodeUnitCount where entry[index] != name.utf8Start[index] {
      return false
    }
    return true
  }
}
