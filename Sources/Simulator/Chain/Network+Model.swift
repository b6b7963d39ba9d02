import Bitcoin

extension Network {
  /// A network of which a simulation can make whole periods: sixteen blocks each, the easiest block
  /// costs eight hashes, and a chain of fifty of them is the least that is followed.
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
