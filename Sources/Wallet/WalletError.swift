import Bytes

/// Why the wallet refused an operation.
public enum WalletError: Error, Equatable {
  /// An invalid phrase; see the case's own error.
  case phrase(PhraseError)
  /// A key that the curve does not allow: damaged input, or practically impossible.
  case key
  /// A phrase's entropy must have 16 to 32 bytes, in steps of four.
  case entropyLength(Int)
  case noOutputs
  /// An output too small for peers to relay (counted from 0).
  case dustOutput(index: Int, amountSat: UInt64, leastSat: UInt64)
  /// More coins than exist.
  case amountTooLarge
  /// Outside ``FeeRate/minSatPerKvB`` to ``FeeRate/maxSatPerKvB``.
  case feeRate(satPerKvB: UInt64)
  /// Amounts and fee exceed what can be spent now.
  case insufficientFunds(neededSat: UInt64, spendableSat: UInt64)
  /// The coins are so small that one transaction cannot hold enough of them.
  case tooManyInputs(limit: Int)
  /// The transaction is not one of this wallet's, or is confirmed.
  case notPending
  /// The keys of a channel are not this wallet's keys of the given index.
  case foreignChannel(index: UInt32)
  /// A funding cannot hold the backup of so many channels: make several.
  case tooManyChannels(count: Int, limit: Int)
  /// The fee of a channel's refund exceeds the channel's amount.
  case refundIsDust
  /// All channel indices were handed out.
  case channelsUsedUp
  /// A wallet file that does not decode.
  case document(BytesError)
  /// A wallet file of another version of this program.
  case documentVersion(UInt8)
  /// A wallet file of other keys or another network.
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
    case .amountTooLarge: return "more coins than exist"
    case .feeRate(let satPerKvB):
      return "a fee rate of \(FeeRate.text(satPerKvB)) is outside "
        + "\(FeeRate.text(FeeRate.minSatPerKvB)) to \(FeeRate.text(FeeRate.maxSatPerKvB))"
    case .insufficientFunds(let neededSat, let spendableSat):
      return "\(neededSat) sat are needed with the fee, \(spendableSat) sat can be spent now"
    case .tooManyInputs(let limit):
      return "the coins are too small: more than \(limit) inputs would be needed"
    case .notPending: return "no such unconfirmed transaction of this wallet"
    case .foreignChannel(let index):
      return "the keys of a channel are not those of index \(index) of this wallet"
    case .tooManyChannels(let count, let limit):
      return "\(count) channels in one funding: nodes of this network relay the backup of "
        + "\(limit) at most; fund them with several transactions"
    case .refundIsDust: return "a channel holds less than the fee of its refund"
    case .channelsUsedUp:
      return "this phrase has no unused keys for channels left: move the coins to a new wallet"
    case .document(let error):
      return "the wallet's file `state` is damaged (\(error.message)); without it the wallet is "
        + "restored from the phrase and the chain"
    case .documentVersion(let version):
      return "the wallet's file `state` has version \(version), this program reads "
        + "\(WalletDocument.version); without it the wallet is restored from the phrase and the "
        + "chain"
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
    case .checksum: return "the phrase's checksum does not match: a word is wrong or out of place"
    }
  }
}
