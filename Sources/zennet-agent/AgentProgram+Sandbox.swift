import Agent
import Bitcoin
import Bytes
import Capability
import ChainFollower
import Crypto
import Host
import LightClient
import Market
import Sandbox
import Storage

/// The jobs' sandboxes: what the mind wants done with them, and what they report.
extension AgentProgram {
  /// Bytes moved between a job's pipes and memory at a time.
  static let chunkBytes = 65_536

  func carryOutInSandbox(_ effect: AgentEffect) {
    switch effect {
    case .stageBundle(let key, let bytes): stage(key, bytes)
    case .loadBundle(let key, let digest, let bytes): load(key, digest, bytes)
    case .cacheBundle(let key, let digest): keepBundle(key, digest)
    case .dropBundle(let key):
      let body = body(key)
      body.bundle = nil
      dropIfEmpty(body)
    case .startSandbox(let key, let spec): start(key, spec)
    case .writeInput(let key, let bytes):
      body(key).input.append(contentsOf: bytes)
      portIsReady(JobBody.token(key, .input))
    case .closeInput(let key):
      body(key).inputIsEnded = true
      portIsReady(JobBody.token(key, .input))
    case .freeze(let key):
      report { () throws(SandboxError) in try body(key).process?.freeze(nowMs: Clock.monotonicMs())
      }
    case .thaw(let key):
      report { () throws(SandboxError) in try body(key).process?.thaw(nowMs: Clock.monotonicMs()) }
    case .terminate(let key, let reason): terminate(key, reason)
    case .program(let key, let id, let action): carryOut(action, id, body(key))
    case .sampleUsage(let key):
      if let process = body(key).process {
        machine.usageSampled(key, process.usage(nowMs: Clock.monotonicMs()), now)
      }
    case .collectResults(let key, let limitBytes): collect(body(key), limitBytes: limitBytes)
    case .readResults(let key, let offset, let count):
      let bytes = try? body(key).results?.read(at: offset, count: count)
      machine.resultBytes(key, bytes ?? [], offset: offset, now)
    case .destroySandbox(let key):
      release(body(key))
      machine.sandboxDestroyed(key, now)
    default: break
    }
  }

  func report(_ body: () throws(SandboxError) -> Void) {
    do throws(SandboxError) { try body() } catch { log.error(error.message) }
  }

  private func stage(_ key: JobKey, _ bytes: [UInt8]) {
    let body = body(key)
    do throws(HostError) {
      if body.bundle == nil { body.bundle = try MemoryFile() }
      try body.bundle?.append(bytes)
    } catch {
      log.error("bundle: " + error.message)
      machine.sandboxEnded(key, .setupFailed(step: "bundle", code: 0), now)
    }
  }

  private func start(_ key: JobKey, _ spec: JobSpec) {
    let body = body(key)
    do throws(SandboxError) {
      body.process = try sandbox.start(spec, nowMs: Clock.monotonicMs())
    } catch {
      log.error(error.message)
      machine.sandboxEnded(key, .setupFailed(step: "start", code: 0), now)
      return
    }
    body.bundleOffset = 0
    reactor.watch(body.descriptor(.control), token: JobBody.token(key, .control))
    portIsReady(JobBody.token(key, .bundle))
  }

  private func terminate(_ key: JobKey, _ reason: StopReason) {
    let body = body(key)
    guard let process = body.process else {
      return machine.sandboxEnded(key, .terminated(reason), now)
    }
    report { () throws(SandboxError) in
      try process.terminate(reason, nowMs: Clock.monotonicMs())
    }
    poll(body)
  }

  private func collect(_ body: JobBody, limitBytes: UInt64) {
    guard let process = body.process else {
      return machine.resultsCollected(body.key, sizeBytes: 0, digest: .zero, now)
    }
    body.resultsLimit = limitBytes
    body.resultsHash = Sha256()
    do throws(HostError) {
      body.results = try MemoryFile()
      do throws(SandboxError) {
        try process.collect()
        body.isCollecting = true
        reactor.watch(body.descriptor(.results), token: JobBody.token(body.key, .results))
        return
      } catch { log.error("results: " + error.message) }
    } catch { log.error("results: " + error.message) }
    body.results = nil
    machine.resultsLost(body.key, now)
  }

  /// Nothing of the job may remain.
  func release(_ body: JobBody) {
    for port in [
      JobBody.Port.control, .bundle, .input, .output, .error, .results,
    ] { reactor.unwatch(JobBody.token(body.key, port)) }
    for program in body.programs { carryOut(.end, program.id, body) }
    if let process = body.process {
      countProcessor(body)
      report { () throws(SandboxError) in try process.destroy() }
    }
    body.process = nil
    body.bundle = nil
    body.results = nil
    body.input = []
    dropIfEmpty(body)
  }

  func dropIfEmpty(_ body: JobBody) {
    if body.connection == nil && body.process == nil && body.bundle == nil && body.results == nil {
      bodies.removeAll { $0 === body }
    }
  }

  // MARK: What the sandboxes report

  func pollSandboxes() { for body in bodies where body.process != nil { poll(body) } }

  private func poll(_ body: JobBody) {
    guard let process = body.process else { return }
    for event in process.poll(nowMs: Clock.monotonicMs()) {
      switch event {
      case .jobStarted: machine.jobStarted(body.key, now)
      case .jobEnded(let outcome):
        drainOutput(body)
        machine.sandboxEnded(body.key, outcome, now)
        carryOut()
      case .resultsCollected(let collected):
        readResults(body)
        finishResults(body, collected)
      case .programStarted(let id): programStarted(id, body)
      case .programEnded(let id, let outcome): programEnded(id, outcome, body)
      case .closed: sandboxClosed(body)
      }
    }
  }

  /// What a job's pipe still holds when it is over: at most one pipe's worth each.
  private func drainOutput(_ body: JobBody) {
    for (port, isError) in [(JobBody.Port.output, false), (JobBody.Port.error, true)] {
      let descriptor = body.descriptor(port)
      reactor.unwatch(JobBody.token(body.key, port))
      for _ in 0..<32 {
        guard case .bytes(let bytes) = Self.read(descriptor, AgentProgram.chunkBytes) else { break }
        machine.outputRead(body.key, bytes, isError: isError, now)
      }
      machine.outputEnded(body.key, isError: isError, now)
    }
  }

  /// Process 1 is gone: nobody is left to empty the sandbox.
  private func sandboxClosed(_ body: JobBody) {
    // Its end would be readable for ever.
    reactor.unwatch(JobBody.token(body.key, .control))
    if !body.isCollecting { return }
    body.isCollecting = false
    reactor.unwatch(JobBody.token(body.key, .results))
    body.results = nil
    machine.resultsLost(body.key, now)
    carryOut()
  }

  private func finishResults(_ body: JobBody, _ collected: CollectedResults) {
    body.isCollecting = false
    reactor.unwatch(JobBody.token(body.key, .results))
    if collected == .broken || body.resultsAreTooLarge {
      log.warning("the results are larger than the offer allows, or could not be read: dropped")
      body.results = nil
    }
    let sizeBytes = body.results?.sizeBytes ?? 0
    machine.resultsCollected(
      body.key, sizeBytes: sizeBytes,
      digest: sizeBytes == 0 ? .zero : body.resultsHash.finish(), now)
  }

  // MARK: Pipes

  /// Watches exactly what can be moved on: an output only while there is room for it.
  func refreshWatches() {
    for body in bodies where body.process != nil {
      for (port, isError) in [(JobBody.Port.output, false), (JobBody.Port.error, true)] {
        let token = JobBody.token(body.key, port)
        let descriptor = body.descriptor(port)
        if descriptor >= 0 && machine.outputRoom(body.key, isError: isError) > 0 {
          reactor.watch(descriptor, token: token)
        } else {
          reactor.unwatch(token)
        }
      }
      refreshProgramWatches(body)
    }
  }

  func portIsReady(_ token: UInt64) {
    if programPortIsReady(token) { return }
    guard let (key, port) = JobBody.subject(of: token) else { return }
    let body = body(key)
    if body.process == nil { return reactor.unwatch(token) }
    switch port {
    case .control: poll(body)
    case .bundle: feedBundle(body)
    case .input: feedInput(body)
    case .output: readOutput(body, port, isError: false)
    case .error: readOutput(body, port, isError: true)
    case .results: readResults(body)
    }
  }

  private func feedBundle(_ body: JobBody) {
    let token = JobBody.token(body.key, .bundle)
    guard let process = body.process, process.bundle >= 0, let bundle = body.bundle else {
      return reactor.unwatch(token)
    }
    while body.bundleOffset < bundle.sizeBytes {
      let bytes = (try? bundle.read(at: body.bundleOffset, count: AgentProgram.chunkBytes)) ?? []
      guard let taken = Self.write(process.bundle, bytes) else { break }
      if taken == 0 {
        return reactor.watch(process.bundle, token: token, readable: false, writable: true)
      }
      body.bundleOffset += UInt64(taken)
    }
    // All is written, or nobody reads any more, which the sandbox explains.
    reactor.unwatch(token)
    process.closeBundle()
    body.bundle = nil
  }

  private func feedInput(_ body: JobBody) {
    let token = JobBody.token(body.key, .input)
    guard let process = body.process, process.stdin >= 0 else { return reactor.unwatch(token) }
    let total = Self.feed(process.stdin, from: &body.input)
    if total > 0 { machine.inputTaken(body.key, count: total, now) }
    if !body.input.isEmpty {
      return reactor.watch(process.stdin, token: token, readable: false, writable: true)
    }
    reactor.unwatch(token)
    if body.inputIsEnded { process.closeInput() }
  }

  private func readOutput(_ body: JobBody, _ port: JobBody.Port, isError: Bool) {
    let room = machine.outputRoom(body.key, isError: isError)
    if room == 0 { return }
    switch Self.read(body.descriptor(port), min(room, AgentProgram.chunkBytes)) {
    case .bytes(let bytes): machine.outputRead(body.key, bytes, isError: isError, now)
    case .ended:
      reactor.unwatch(JobBody.token(body.key, port))
      machine.outputEnded(body.key, isError: isError, now)
    case .wouldBlock: break
    }
  }

  private func readResults(_ body: JobBody) {
    let descriptor = body.descriptor(.results)
    while descriptor >= 0 {
      let bytes: [UInt8]
      switch Self.read(descriptor, AgentProgram.chunkBytes) {
      case .bytes(let some): bytes = some
      // More than the pipe holds is still to come.
      case .wouldBlock: return
      case .ended: return reactor.unwatch(JobBody.token(body.key, .results))
      }
      guard let results = body.results, !body.resultsAreTooLarge else { continue }
      if results.sizeBytes + UInt64(bytes.count) > body.resultsLimit {
        body.resultsAreTooLarge = true
        continue
      }
      body.resultsHash.update(bytes)
      do throws(HostError) { try results.append(bytes) } catch { body.resultsAreTooLarge = true }
    }
  }

  /// Reads without taking the descriptor over.
  static func read(_ descriptor: Int32, _ limit: Int) -> Descriptor.Read {
    if descriptor < 0 { return .ended }
    let borrowed = Descriptor(owning: descriptor)
    let result = (try? borrowed.read(limit: limit)) ?? .ended
    _ = borrowed.release()
    return result
  }

  /// Writes what is held until the pipe is full. Returns how much is gone: where the reader closed
  /// its input, or the descriptor is below 0, what is held is dropped.
  static func feed(_ descriptor: Int32, from held: inout [UInt8]) -> Int {
    var total = 0
    while !held.isEmpty {
      guard descriptor >= 0, let taken = write(descriptor, held) else {
        total += held.count
        held = []
        break
      }
      if taken == 0 { break }
      held.removeFirst(taken)
      total += taken
    }
    return total
  }

  /// Bytes taken, 0 when the pipe is full, nil when nobody reads any more.
  static func write(_ descriptor: Int32, _ bytes: [UInt8]) -> Int? {
    let borrowed = Descriptor(owning: descriptor)
    let result = try? borrowed.write(bytes)
    _ = borrowed.release()
    switch result {
    case .wrote(let count): return count
    case .wouldBlock: return 0
    default: return nil
    }
  }
}
