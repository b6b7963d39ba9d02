import Bitcoin
import Bytes
import Crypto

/// The transaction that closes a channel: a function of the terms, the funding output point, the
/// amount paid and a rung of the fee ladder. Both sides compute it; only signatures are
/// transferred.
///
/// The first output pays the owner exactly what was paid, the second returns the rest to the
/// publisher, less the fee of the rung, which the reserve covers. An output below the dust limit of
/// 330 sat is left out and its amount goes to the other side. The input signals replacement
/// (BIP125), so that a later close can pay a higher rung's fee.
public enum ClosingTransaction {
  /// A low-S signature of the largest size, with its hash type byte.
  static let largestSignature = 72
  /// Without the hash type byte, as signatures are transferred.
  public static let largestDer = 71

  // MARK: Fees

  /// The fee of a rung, independent of the amount: for two outputs and the largest signatures,
  /// rounded up.
  public static func feeSat(_ terms: ChannelTerms, rung: Int) -> UInt64 {
    feeSat(rateSatPerKvB: terms.feeLadderSatPerKvB[rung], virtualSize: virtualSize(terms))
  }

  /// The least reserve that any terms with this highest rung need, in sat; for choosing the reserve
  /// before the terms are known.
  public static func reserveSat(topRateSatPerKvB: UInt32) -> UInt64 {
    feeSat(rateSatPerKvB: topRateSatPerKvB, virtualSize: maxVirtualSize)
  }

  static func feeSat(rateSatPerKvB: UInt32, virtualSize: Int) -> UInt64 {
    (UInt64(rateSatPerKvB) * UInt64(virtualSize) + 999) / 1000
  }

  /// Virtual bytes of the signed close with two outputs and the largest signatures.
  public static func virtualSize(_ terms: ChannelTerms) -> Int {
    virtualSize(
      payoutScriptBytes: terms.payoutScript.count, witnessScript: terms.lock.witnessScript)
  }

  /// The most that ``virtualSize(_:)`` gives for any terms.
  public static let maxVirtualSize: Int = {
    let key = [UInt8](repeating: 2, count: 33)
    let lock = ChannelLock(
      providerKey: key, publisherKey: key, expiryHeight: ChannelTerms.heightLimit - 1)
    return virtualSize(payoutScriptBytes: 34, witnessScript: lock.witnessScript)
  }()

  private static func virtualSize(payoutScriptBytes: Int, witnessScript: [UInt8]) -> Int {
    let signature = [UInt8](repeating: 0, count: largestSignature)
    let input = TransactionInput(
      previous: OutPoint(txid: .zero, index: 0),
      witness: [signature, signature, [1], witnessScript])
    let scriptBytes = [payoutScriptBytes, 34]
    let outputs = scriptBytes.map {
      TransactionOutput(amountSat: 0, scriptPubKey: [UInt8](repeating: 0, count: $0))
    }
    return Transaction(inputs: [input], outputs: outputs).virtualSize
  }

  // MARK: Building

  /// The unsigned close. Nil where the amount is above ``ChannelTerms/maxPayableSat`` or the ladder
  /// has no such rung.
  public static func build(
    _ terms: ChannelTerms, funding: OutPoint, amountSat: UInt64, rung: Int
  ) -> Transaction? {
    guard let closes = try? ChannelCloses(terms, funding: funding) else { return nil }
    return closes.unsigned(amountSat: amountSat, rung: rung)
  }

  /// What both sides sign (BIP143, SIGHASH_ALL). `transaction` spends the channel with its first
  /// and only input.
  public static func digest(_ terms: ChannelTerms, _ transaction: Transaction) -> Bytes32 {
    Sighash.segwitV0(
      transaction, inputIndex: 0, scriptCode: terms.lock.witnessScript,
      amountSat: terms.capacitySat)
  }

  /// `transaction` with the witness of a close: both signatures (DER, without hash type), and the
  /// argument that selects the first branch, exactly `01`.
  public static func signed(
    _ transaction: Transaction, _ terms: ChannelTerms, publisher: [UInt8], provider: [UInt8]
  ) -> Transaction {
    signed(transaction, terms.lock.witnessScript, publisher: publisher, provider: provider)
  }

  static func signed(
    _ transaction: Transaction, _ witnessScript: [UInt8], publisher: [UInt8], provider: [UInt8]
  ) -> Transaction {
    var transaction = transaction
    let all = Sighash.HashType.all
    transaction.inputs[0].witness = [publisher + [all], provider + [all], [1], witnessScript]
    return transaction
  }
}
