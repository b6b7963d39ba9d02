import Bitcoin
import Bytes

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
  }

  func emit(_ effect: AgentEffect) { effects.append(effect) }

  func info(_ text: String) { emit(.log(level: 2, text)) }
  func warning(_ text: String) { emit(.log(level: 1, text)) }
}

/// What this machine is, as far as announcements ask.
public struct MachineFacts: Equatable, Sendable {
  /// One of Market's processor bits.
  public var processor: UInt16
  /// 0 none, 1 reduced, 2 full.
  public var isolation: UInt8
  public var memoryMiB: UInt32
  public var milliCpus: UInt32

  public init(processor: UInt16, isolation: UInt8, memoryMiB: UInt32, milliCpus: UInt32) {
    self.processor = processor
    self.isolation = isolation
    self.memoryMiB = memoryMiB
    self.milliCpus = milliCpus
  }
}
