import Bitcoin
import Bytes

/// Why the mempool refused a transaction. The messages start with Bitcoin Core's names of the
/// refusals.
public enum TransactionRejection: Error, Equatable, Sendable {
  case malformed(String)
  case coinbase
  case nonStandardVersion(UInt32)
  case tooLarge(weight: Int)
  case tooSmall(bytes: Int)
  case duplicateInput(OutPoint)
  case amountOutOfRange
  /// Already in the mempool or in the chain.
  case alreadyKnown
  case missingInput(OutPoint)
  case immatureCoinbase(OutPoint)
  /// Its lock time or a relative lock is not reached by the next block.
  case nonFinal
  case relativeLockNotReached(input: Int)
  case nonStandardOutput(index: Int)
  case dataCarrierTooLarge(bytes: Int)
  case dust(index: Int, amountSat: UInt64, limitSat: UInt64)
  case nonStandardInput(index: Int, why: StaticReason)
  case outputsAboveInputs
  case feeTooLow(feeSat: UInt64, neededSat: UInt64)
  case scriptFailed(input: Int)
  /// Conflicts with a transaction in the mempool and pays too little to replace it.
  case doubleSpend(of: Bytes32, feeSat: UInt64, neededSat: UInt64)
  case tooManyReplaced(count: Int)
  case spendsWhatItReplaces
  case mempoolFull

  /// The message, one line.
  public var message: String {
    switch self {
    case .malformed(let why): return "TX decode failed: \(why)"
    case .coinbase: return "coinbase: only a block may hold one"
    case .nonStandardVersion(let version): return "version: \(version) is not 1, 2 or 3"
    case .tooLarge(let weight): return "tx-size: weight \(weight) is above 400000"
    case .tooSmall(let bytes): return "tx-size-small: \(bytes) bytes, 65 is the least"
    case .duplicateInput(let point): return "bad-txns-inputs-duplicate: \(point.text)"
    case .amountOutOfRange: return "bad-txns-vout-toolarge"
    case .alreadyKnown: return "txn-already-known"
    case .missingInput(let point): return "bad-txns-inputs-missingorspent: \(point.text)"
    case .immatureCoinbase(let point):
      return "bad-txns-premature-spend-of-coinbase: \(point.text)"
    case .nonFinal: return "non-final: the lock time is not reached by the next block"
    case .relativeLockNotReached(let input):
      return "non-BIP68-final: the relative lock of input \(input) is not reached"
    case .nonStandardOutput(let index): return "scriptpubkey: output \(index) is of an unknown kind"
    case .dataCarrierTooLarge(let bytes): return "datacarrier: \(bytes) bytes, 100000 is the most"
    case .dust(let index, let amount, let limit):
      return "dust: output \(index) has \(amount) sat, \(limit) is the least"
    case .nonStandardInput(let index, let why):
      return "bad-witness-nonstandard: input \(index): \(why.text)"
    case .outputsAboveInputs: return "bad-txns-in-belowout"
    case .feeTooLow(let fee, let needed):
      return "min relay fee not met: \(fee) sat, \(needed) sat are needed"
    case .scriptFailed(let input): return "mandatory-script-verify-flag-failed: input \(input)"
    case .doubleSpend(let other, let fee, let needed):
      return "insufficient fee: replaces \(other.reversed.hex) for \(fee) sat, \(needed) are needed"
    case .tooManyReplaced(let count): return "too many potential replacements: \(count)"
    case .spendsWhatItReplaces: return "bad-txns-spends-conflicting-tx"
    case .mempoolFull: return "mempool full"
    }
  }
}
