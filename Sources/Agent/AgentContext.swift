import Bitcoin
import Bytes
import Channel
import Market

/// What all jobs of an agent share: what the owner decided, what the machine is, where the chain
/// stands, what time it is.
final class AgentContext {
  let configuration: Configuration
  let network: Network
  let secrets: AgentSecrets
  let payoutScript: [UInt8]
  let machine: MachineFacts
  /// The signed capability report, encoded.
  var report: [UInt8]
  /// Thirty-two fresh random bytes a call.
  let random: () -> Bytes32

  var now = Instant(nowMs: 0, unixSeconds: 0)
  var tipHeight: UInt32 = 0
  var authenticatedHeight: UInt32 = 0
  /// What a transaction should pay to be mined soon, in sat per virtual byte.
  var feeRateSatPerVb: UInt64 = 1
  /// Whether the owner's machine has room for jobs now.
  var owner: OwnerRule
  var effects: [AgentEffect] = []

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
  }

  /// What this machine asks for a job with these limits: the hour's price, by the share of the
  /// machine that the job may use at most.
  func rates(for limits: ResourceLimits) -> RateVector {
    OwnerRates.rates(
      hourSat: OwnerRates.hourSat(configuration), milliCpus: machine.milliCpus,
      memoryMiB: machine.memoryMiB, energy: OwnerRates.energy(configuration))
  }

  func channelPolicy(for contract: Contract) -> ProviderPolicy {
    channelPolicy(fundingDepth: contract.fundingDepth)
  }

  func channelPolicy(fundingDepth: UInt32) -> ProviderPolicy {
    ProviderPolicy(
      closeMarginBlocks: configuration.closeMarginBlocks,
      leastLifetimeBlocks: configuration.closeMarginBlocks + configuration.minChannelBlocks,
      fundingDepth: max(fundingDepth, configuration.fundingDepth))
  }

  func emit(_ effect: AgentEffect) { effects.append(effect) }

  func info(_ text: String) { emit(.log(level: 2, text)) }
  func warning(_ text: String) { emit(.log(level: 1, text)) }
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
