import Bitcoin
import Bytes
import Market

/// What all parts of a run share: what is wanted, who pays, where the chain stands, what time it is.
final class RunContext {
  let plan: RunPlan
  let network: Network
  let secrets: RunSecrets
  /// Thirty-two fresh random bytes a call.
  let random: () -> Bytes32

  var now = RunTime(nowMs: 0, unixSeconds: 0)
  var tipHeight: UInt32 = 0
  /// What a transaction should pay to be mined soon, in sat per virtual byte.
  var feeRateSatPerVb: UInt64 = 1
  var effects: [RunEffect] = []
  var input: JobInput

  init(
    plan: RunPlan, network: Network, secrets: RunSecrets, random: @escaping () -> Bytes32
  ) {
    self.plan = plan
    input = JobInput(hasSource: plan.forwardsInput)
    self.network = network
    self.secrets = secrets
    self.random = random
  }

  func emit(_ effect: RunEffect) { effects.append(effect) }

  func info(_ text: String) { emit(.log(level: 2, text)) }
  func warning(_ text: String) { emit(.log(level: 1, text)) }
}
