import Agent
import Bytes
import Crypto
import Market
import Sandbox

/// The shares and tasks of a ``FuzzedAgent``.
final class FuzzedSandboxes {
  private var shares: Set<LeaseKey> = []
  /// Tasks whose sandbox is there; false once it has ended.
  private var tasks: [TaskRef: Bool] = [:]
  private var started: Set<TaskRef> = []
  private var usage: [TaskRef: UsageSample] = [:]

  // MARK: What happens

  private func task(_ input: inout FuzzInput) -> TaskRef? {
    let refs = tasks.keys.sorted { ($0.lease, $0.number) < ($1.lease, $1.number) }
    return refs.isEmpty ? nil : refs[input.below(refs.count)]
  }

  /// Something happens to a task.
  func happen(_ input: inout FuzzInput, _ agent: AgentMachine, _ now: Instant) {
    let what = input.below(4)
    guard let ref = task(&input) else { return }
    switch what {
    case 0: if tasks[ref] == true { agent.taskStarted(ref, now) }
    case 1:
      usage[ref]?.cpuMs += UInt64(input.u8()) << 6
      usage[ref]?.wallMs += 50
      agent.usageSampled(ref, usage[ref] ?? UsageSample(), now)
    case 2:
      let outcomes: [JobOutcome] = [
        .exited(status: 0), .outOfMemory, .terminated(.publisher), .lost, .notExecutable(code: 2),
        .signalled(9),
      ]
      end(ref, outcomes[input.below(6)], agent, now)
    default: agent.inputTaken(ref, count: input.u16(), now)
    }
  }

  private func end(
    _ ref: TaskRef, _ outcome: JobOutcome, _ agent: AgentMachine, _ now: Instant
  ) {
    guard tasks[ref] == true else { return }
    tasks[ref] = false
    for isError in [false, true] { agent.outputEnded(ref, isError: isError, now) }
    agent.taskEnded(ref, outcome, usage[ref] ?? UsageSample(), now)
  }

  /// A task prints.
  func print(_ input: inout FuzzInput, _ agent: AgentMachine, _ now: Instant) {
    let isError = input.below(2) == 1
    let wanted = input.u16()
    guard let ref = task(&input), tasks[ref] == true else { return }
    let count = min(wanted, agent.outputRoom(ref, isError: isError))
    agent.outputRead(ref, [UInt8](repeating: 1, count: count), isError: isError, now)
  }

  // MARK: Effects

  func carryOut(
    _ effect: AgentEffect, _ agent: AgentMachine, _ now: Instant
  ) throws(FuzzFinding) {
    switch effect {
    case .openShare(let key, _, let limits):
      try require(shares.insert(key).inserted, "a share is opened once")
      try require(limits.memoryMiB <= 256 && limits.milliCpus <= 1000, "shares fit the machine")
    case .closeShare(let key):
      shares.remove(key)
      tasks = tasks.filter { $0.key.lease != key }
    case .startTask(let ref, _, _):
      try require(shares.contains(ref.lease), "tasks run in a share")
      try require(started.insert(ref).inserted, "a task is started once")
      tasks[ref] = true
      usage[ref] = UsageSample()
    case .sampleUsage(let ref): agent.usageSampled(ref, usage[ref] ?? UsageSample(), now)
    case .terminate(let ref, let reason): end(ref, .terminated(reason), agent, now)
    case .collectResults(let ref, _, let limitBytes):
      try require(limitBytes <= 50_000, "results are bounded")
      agent.resultsCollected(ref, sizeBytes: 40_000, digest: Sha256.hash([8]), now)
    case .readResults(let ref, let offset, let count):
      try require(offset < 40_000 && count > 0, "only what there is is read")
      let bytes = [UInt8](repeating: 9, count: min(count, 40_000 - Int(offset)))
      agent.resultBytes(ref, bytes, offset: offset, now)
    case .destroyTask(let ref): tasks[ref] = nil
    case .exec(let ref, let id, let action):
      try require(tasks[ref] != nil || action == .end, "exec sessions run beside a task only")
      carryOut(action, id, ref, agent, now)
    default: break
    }
  }

  private func carryOut(
    _ action: ExecAction, _ id: UInt32, _ ref: TaskRef, _ agent: AgentMachine, _ now: Instant
  ) {
    switch action {
    case .start:
      agent.execStarted(ref, id, now)
      agent.execOutputRead(ref, id, [1, 2, 3], isError: id % 2 == 1, now)
    case .input(let bytes): agent.execInputTaken(ref, id, count: bytes.count, now)
    case .closeInput: agent.execEnded(ref, id, .exited(status: 0), now)
    case .signal(let number): agent.execEnded(ref, id, .signalled(number), now)
    case .resize, .end: break
    }
  }
}
