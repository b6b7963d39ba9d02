import Bitcoin
import Bytes
import Channel
import Market

/// State shared by all parts of an agent: configuration, host facts, chain tip, clock and effect
/// queue.
final class AgentContext {
  let configuration: Configuration
  let network: Network
  let secrets: AgentSecrets
  let payoutScript: [UInt8]
  let machine: MachineFacts
  /// The signed capability report, encoded; empty until the host is measured.
  var report: [UInt8]
  /// Returns 32 fresh random bytes per call.
  let random: () -> Bytes32

  var now = Instant(nowMs: 0, unixSeconds: 0)
  var tipHeight: UInt32 = 0
  /// Whether the light client has scanned all blocks.
  var isSynced = false
  var authenticatedHeight: UInt32 = 0
  /// Estimated rate for confirmation within a few blocks, in sat per 1000 virtual bytes.
  var feeRateSatPerKvB: UInt64 = 1000
  /// The idle policy's current decision.
  var owner: OwnerRule
  /// The agent is stopping: no new leases; open ones end.
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

  /// The resources available to all leases together.
  var limits: ShareLimits {
    ShareLimits(
      memoryMiB: min(configuration.memoryMiB, machine.memoryMiB),
      milliCpus: min(configuration.milliCpus, machine.milliCpus), pids: configuration.pids,
      diskMiB: configuration.diskMiB)
  }

  /// Most concurrent leases: as configured, or one per processor available to leases.
  var maxLeases: Int {
    if configuration.leases > 0 { return Int(configuration.leases) }
    return max(1, Int(limits.milliCpus / 1000))
  }

  /// Whether the agent connects to publishers on private networks.
  var allowsPrivate: Bool { configuration.usesLan || network.rules == .regtest }

  /// The owner's channel policy. `fundingDepth` is the contract's; the larger of both depths
  /// applies.
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

  /// Stores a document of ``memory``.
  func store(_ kind: MemoryKind) {
    switch kind {
    case .debtors: emit(.storeMemory(kind, memory.debtors.encode()))
    case .history: emit(.storeMemory(kind, memory.history.encode()))
    case .losses: emit(.storeMemory(kind, unconfirmed.losses.encode()))
    }
  }
}

/// What an agent keeps about publishers across leases.
struct AgentMemory {
  var debtors = Debtors()
  var history = History()
}

/// The facts about this host that announcements ask for.
public struct MachineFacts: Equatable, Sendable {
  /// The architectures that it can run, including compatible ones.
  public var processors: ProcessorSet
  /// The strongest isolation that its kernel supports; `any` if none.
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
