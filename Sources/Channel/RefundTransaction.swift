import Bitcoin
import Bytes
import Crypto

/// The publisher's way out: from the expiry height on, everything goes back.
public enum RefundTransaction {
  /// The signed refund at a fee rate. Valid in blocks above the expiry height only.
  ///
  /// Throws `refundIsDust` where nothing would be left, `wrongSecret` for a bad key.
  public static func build(
    _ terms: ChannelTerms, funding: OutPoint, feeRateSatPerVb: UInt64, secret: Bytes32
  ) throws(ChannelError) -> Transaction {
    let script = ChannelScript.witnessScript(terms)
    let largest = [UInt8](repeating: 0, count: ClosingTransaction.largestSignature)
    var transaction = Transaction(
      inputs: [
        TransactionInput(previous: funding, sequence: 0xffff_fffd, witness: [largest, [], script])
      ],
      outputs: [TransactionOutput(amountSat: 0, scriptPubKey: terms.changeScript)],
      lockTime: terms.expiryHeight)
    let (feeSat, overflow) = feeRateSatPerVb.multipliedReportingOverflow(
      by: UInt64(transaction.virtualSize))
    if overflow || terms.capacitySat < Amount.dustSat
      || feeSat > terms.capacitySat - Amount.dustSat
    {
      throw ChannelError.refundIsDust
    }
    transaction.outputs[0].amountSat = terms.capacitySat - feeSat
    let digest = ClosingTransaction.digest(terms, transaction)
    let signature: [UInt8]
    do { signature = try Secp256k1.signEcdsa(digest: digest, secret: secret) } catch {
      throw ChannelError.wrongSecret
    }
    transaction.inputs[0].witness = [signature + [1], [], script]
    return transaction
  }
}
