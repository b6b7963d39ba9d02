import Bitcoin

extension Network {
  /// A network for simulating whole difficulty periods: sixteen blocks each; the easiest block
  /// costs eight hashes, and the minimum chain work is that of fifty such blocks.
  public static func model(_ rules: Rules) -> Network {
    var network = Network.regtest
    network.rules = rules
    network.powLimitBits = 0x201f_ffff
    network.retargetInterval = 16
    network.minimumChainWork = rules == .signet ? .zero : ChainWork(UInt256(400))
    network.genesis.bits = network.powLimitBits
    guard let target = Target(bits: network.powLimitBits) else { preconditionFailure("bits") }
    while !target.isMet(by: network.genesis.hash) { network.genesis.nonce += 1 }
    return network
  }
}
