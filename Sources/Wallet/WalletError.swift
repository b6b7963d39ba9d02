import Bytes

/// Why the wallet refused.
public enum WalletError: Error, Equatable {
  /// A phrase that is none; see the case's own error.
  case phrase(PhraseError)
  /// A key that the curve refuses: practically impossible, or damaged input.
  case key
  /// Entropy of a phrase has 16 to 32 bytes, in steps of four.
  case entropyLength(Int)
  case noOutputs
  /// An output so small that no peer relays it (counted from 0).
  case dustOutput(index: Int, amountSat: UInt64, leastSat: UInt64)
  /// More coins than there are.
  case amountTooLarge
  /// From 1 to ``Wallet/maxFeeRateSatPerVb``.
  case feeRate(satPerVb: UInt64)
  /// Amounts and fee exceed what can be spent now.
  case insufficientFunds(neededSat: UInt64, spendableSat: UInt64)
  /// The coins are so small that one transaction cannot hold enough of them.
  case tooManyInputs(limit: Int)
  /// The transaction is not one of this wallet's, or is confirmed.
  case notPending
  /// A wallet file that does not decode.
  case document(BytesError)
  /// A wallet file of other keys, another network or another version.
  case otherWallet

  public var message: String {
    switch self {
    case .phrase(let error): return error.message
    case .key: return "a key of the wallet is not valid"
    case .entropyLength(let count):
      return "entropy has 16, 20, 24, 28 or 32 bytes, not \(count)"
    case .noOutputs: return "a payment needs an output"
    case .dustOutput(let index, let amountSat, let leastSat):
      return "output \(index + 1): \(amountSat) sat is below the \(leastSat) sat that peers relay"
    case .amountTooLarge: return "more coins than there are"
    case .feeRate(let satPerVb):
      return "a fee rate of \(satPerVb) sat/vB is outside 1 to \(Wallet.maxFeeRateSatPerVb)"
    case .insufficientFunds(let neededSat, let spendableSat):
      return "\(neededSat) sat are needed with the fee, \(spendableSat) sat can be spent now"
    case .tooManyInputs(let limit):
      return "the coins are too small: more than \(limit) would be needed at once"
    case .notPending: return "no such unconfirmed transaction of this wallet"
    case .document(let error): return "the wallet's file: " + error.message
    case .otherWallet: return "the wallet's file belongs to other keys or another network"
    }
  }
}

/// Why words are not a BIP39 phrase.
public enum PhraseError: Error, Equatable {
  case wordCount(Int)
  /// Counted from 0.
  case unknownWord(position: Int, word: String)
  /// A word is wrong, or two are swapped.
  case checksum

  public var message: String {
    switch self {
    case .wordCount(let count): return "a phrase has 12, 15, 18, 21 or 24 words, not \(count)"
    case .unknownWord(let position, let word):
      return "word \(position + 1), \"\(word)\", is not in the list"
    case .checksum: return "the phrase's checksum does not fit: a word is wrong or out of place"
    }
  }
}
