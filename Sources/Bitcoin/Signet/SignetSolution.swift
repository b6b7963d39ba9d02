import Bytes
import Crypto

/// BIP325: the proof that a block was made by a network's signers.
public enum SignetSolution {
  /// Throws unless the block carries a solution that satisfies `challenge`.
  public static func verify(block: Block, challenge: [UInt8]) throws(BitcoinError) {
    throw BitcoinError.invalid("signet solutions are not checked yet")
  }

  /// Throws unless solutions to this challenge can be checked here.
  public static func checkChallenge(_ challenge: [UInt8]) throws(BitcoinError) {
    if challenge.isEmpty { throw BitcoinError.invalid("a signet's challenge is empty") }
  }
}
