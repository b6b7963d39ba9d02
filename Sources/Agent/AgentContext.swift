import Bitcoin
import Bytes
import Channel
import Market

/// What all parts of an agent share: what the owner decided, what the machine is, where the chain
/// stands, what time it is, and the queue of effects.
final class AgentContext {
  let configuration: Configuration
  let network: Network
  let secrets: AgentSecrets
  let payoutScript: [UInt8]
  let machine: MachineFacts
  /// The signed capability report, encoded; empty before this machine was measured.
  var report: [UInt8]
  /// Thirty-two fresh random bytes a call.
  let random: () -> Bytes32

  var now = Instant(nowMs: 0, unixSeconds: 0)
  var tipHeight: UInt32 = 0
  /// The light client has looked at every block.
  var isSynced = false
  var authenticatedHeight: UInt32 = 0
  /// What a transaction should pay to be mined soon.
  var feeRateSatPerKvB: UInt64 = 1000
  /// Whether the owner's machine has room for tasks now.
  var owner: OwnerRule
  /// The owner wants the machine back: no new leases, the open ones end.
  var isStopping = false
  var memory: AgentMemory
  var unconfirmed: UnconfirmedRisk
  private var effects = EffectQueue<AgentEffect>()

  init(
    configuration: Configuration, network: Network, secrets: AgentSecrets, payoutScript: [UInt8],
    machine: MachineFacts, report: [UInt8], random: @escaping () -> Bytes32
  ) {
    self.configuration = configuration
    self.network = network
    self.secrets = secrets
    self.payoutScript = payoutScript
    self.machine = machine
    self.report = report
    self.random = random
    owner = OwnerRule(configuration.owner)
    memory = AgentMemory()
    unconfirmed = UnconfirmedRisk(limitSat: OwnerPrice.unconfirmedSat(configuration))
  }

  var nowMs: UInt64 { now.nowMs }

  /// What leases get of this machine, all together.
  var limits: ShareLimits {
    ShareLimits(
      memoryMiB: min(configuration.memoryMiB, machine.memoryMiB),
      milliCpus: min(configuration.milliCpus, machine.milliCpus), pids: configuration.pids,
      diskMiB: configuration.diskMiB)
  }

  /// Leases at a time: the owner's number, or one for each processor that leases get.
  var maxLeases: Int {
    if configuration.leases > 0 { return Int(configuration.leases) }
    return max(1, Int(limits.milliCpus / 1000))
  }

  /// Whether publishers on private networks are called.
  var allowsPrivate: Bool { configuration.usesLan || network.rules == .regtest }

  /// The owner's rules about a channel whose funding the publisher counts from `fundingDepth` on.
  func channelPolicy(fundingDepth: UInt32) -> ProviderPolicy {
    ProviderPolicy(
      closeMarginBlocks: configuration.closeMarginBlocks,
      leastLifetimeBlocks: configuration.closeMarginBlocks + configuration.minChannelBlocks,
      fundingDepth: max(fundingDepth, configuration.fundingDepth))
  }

  // MARK: Effects

  func emit(_ effect: AgentEffect) { effects.append(effect) }
  func nextEffect() -> AgentEffect? { effects.popFirst() }

  func debug(_ text: String) { emit(.log(level: 3, text)) }
  func info(_ text: String) { emit(.log(level: 2, text)) }
  func warning(_ text: String) { emit(.log(level: 1, text)) }

  /// Puts a document of ``memory`` on disk.
  func store(_ kind: MemoryKind) {
    switch kind {
    case .debtors: emit(.storeMemory(kind, memory.debtors.encode()))
    case .history: emit(.storeMemory(kind, memory.history.encode()))
    case .losses: emit(.storeMemory(kind, unconfirmed.losses.encode()))
    }
  }
}

/// What an agent remembers of publishers when their leases are over.
struct AgentMemory {
  var debtors = Debtors()
  var history = History()
}

/// What this machine is, as far as announcements ask.
public struct MachineFacts: Equatable, Sendable {
  /// What it can run: its own kind, and those that its kind runs too.
  public var processors: ProcessorSet
  /// The best isolation that its kernel gives; `any` where it gives none.
  public var isolation: IsolationWanted
  public var memoryMiB: UInt32
  public var milliCpus: UInt32

  public init(
    processors: ProcessorSet, isolation: IsolationWanted, memoryMiB: UInt32, milliCpus: UInt32
  ) {
    self.processors = processors
    self.isolation = isolation
    self.memoryMiB = memoryMiB
    self.milliCpus = milliCpus
  }
}
