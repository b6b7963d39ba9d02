import Bitcoin
import Bytes
import Crypto

/// The transaction that closes a channel: a function of the terms, the funding output point, the
/// amount paid and a rung of the fee ladder. Both sides compute it; only signatures travel.
///
/// Output 0 pays the owner what was paid less the fee of the rung; output 1 returns the rest to the
/// publisher, unless the rest is dust, which then adds to the fee. The input signals replacement
/// (BIP125), so that the provider can follow a rising fee up the ladder with a second close.
public enum ClosingTransaction {
  /// A low-S signature of the largest size, with its hash type byte.
  static let largestSignature = 72

  /// The unsigned close; nil where the payout would be dust, or the amount above the capacity, or
  /// the rung not in the ladder.
  public static func build(
    _ terms: ChannelTerms, funding: OutPoint, amountSat: UInt64, rung: Int
  ) -> Transaction? {
    guard let payoutSat = payoutSat(terms, amountSat: amountSat, rung: rung) else { return nil }
    var outputs = [TransactionOutput(amountSat: payoutSat, scriptPubKey: terms.payoutScript)]
    let changeSat = terms.capacitySat - amountSat
    if changeSat >= Amount.dustSat {
      outputs.append(TransactionOutput(amountSat: changeSat, scriptPubKey: terms.changeScript))
    }
    return Transaction(
      inputs: [TransactionInput(previous: funding, sequence: 0xffff_fffd)], outputs: outputs)
  }

  /// What the owner receives from a close; nil where ``build(_:funding:amountSat:rung:)`` is.
  public static func payoutSat(_ terms: ChannelTerms, amountSat: UInt64, rung: Int) -> UInt64? {
    if rung < 0 || rung >= terms.feeLadderSatPerVb.count || amountSat > terms.capacitySat {
      return nil
    }
    let withChange = terms.capacitySat - amountSat >= Amount.dustSat
    let feeSat = feeSat(terms, rung: rung, withChange: withChange)
    if amountSat < feeSat + Amount.dustSat { return nil }
    return amountSat - feeSat
  }

  /// The fee that the owner pays at a rung, for a transaction of the largest signatures.
  public static func feeSat(_ terms: ChannelTerms, rung: Int, withChange: Bool) -> UInt64 {
    UInt64(terms.feeLadderSatPerVb[rung]) * UInt64(virtualSize(terms, withChange: withChange))
  }

  /// The least amount that can be collected: what is left of it at the lowest rung is not dust.
  public static func leastPayableSat(_ terms: ChannelTerms) -> UInt64 {
    let feeSat = feeSat(terms, rung: 0, withChange: true)
    return feeSat + Amount.dustSat
  }

  /// Virtual bytes of the signed close with the largest signatures.
  static func virtualSize(_ terms: ChannelTerms, withChange: Bool) -> Int {
    var outputs = [TransactionOutput(amountSat: 0, scriptPubKey: terms.payoutScript)]
    if withChange {
      outputs.append(TransactionOutput(amountSat: 0, scriptPubKey: terms.changeScript))
    }
    let signature = [UInt8](repeating: 0, count: largestSignature)
    let input = TransactionInput(
      previous: OutPoint(txid: .zero, index: 0),
      witness: [signature, signature, [1], ChannelScript.witnessScript(terms)])
    return Transaction(inputs: [input], outputs: outputs).virtualSize
  }

  /// What both sides sign (BIP143, SIGHASH_ALL). `transaction` spends the channel with its first
  /// and only input.
  public static func digest(_ terms: ChannelTerms, _ transaction: Transaction) -> Bytes32 {
    Sighash.segwitV0(
      transaction, inputIndex: 0, scriptCode: ChannelScript.witnessScript(terms),
      amountSat: terms.capacitySat)
  }

  /// `transaction` with the witness of a close: both signatures (DER, without hash type), and the
  /// argument that takes the first branch, exactly `01`.
  public static func signed(
    _ transaction: Transaction, _ terms: ChannelTerms, publisher: [UInt8], provider: [UInt8]
  ) -> Transaction {
    var transaction = transaction
    transaction.inputs[0].witness = [
      publisher + [1], provider + [1], [1], ChannelScript.witnessScript(terms),
    ]
    return transaction
  }
}
