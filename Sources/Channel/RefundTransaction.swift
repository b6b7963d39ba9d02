import Bitcoin
import Bytes
import Crypto

/// The refund: from the expiry height on, the publisher can take all coins of the channel.
public enum RefundTransaction {
  /// The signed refund of a channel to a script of the publisher's wallet. Valid only in blocks
  /// above the expiry height. `secret` is the secret of the terms' publisher key.
  ///
  /// Throws `refundIsDust` if the fee leaves less than the dust limit, `wrongSecret` for a bad key.
  public static func build(
    _ terms: ChannelTerms, funding: OutPoint, to script: [UInt8], feeRateSatPerKvB: UInt64,
    secret: Bytes32
  ) throws(ChannelError) -> Transaction {
    try build(
      terms.lock, capacitySat: terms.capacitySat, funding: funding, to: script,
      feeRateSatPerKvB: feeRateSatPerKvB, secret: secret)
  }

  /// The same for a channel of which only the lock and the amount are known.
  public static func build(
    _ lock: ChannelLock, capacitySat: UInt64, funding: OutPoint, to script: [UInt8],
    feeRateSatPerKvB: UInt64, secret: Bytes32
  ) throws(ChannelError) -> Transaction {
    let witnessScript = lock.witnessScript
    let largest = [UInt8](repeating: 0, count: ClosingTransaction.largestSignature)
    var transaction = Transaction(
      inputs: [
        TransactionInput(
          previous: funding, sequence: 0xffff_fffd, witness: [largest, [], witnessScript])
      ],
      outputs: [TransactionOutput(amountSat: 0, scriptPubKey: script)],
      lockTime: lock.expiryHeight)
    let (product, overflow) = feeRateSatPerKvB.multipliedReportingOverflow(
      by: UInt64(transaction.virtualSize))
    let feeSat = product / 1000 + (product % 1000 == 0 ? 0 : 1)
    if overflow || capacitySat < Amount.dustSat || feeSat > capacitySat - Amount.dustSat {
      throw ChannelError.refundIsDust
    }
    transaction.outputs[0].amountSat = capacitySat - feeSat
    let digest = Sighash.segwitV0(
      transaction, inputIndex: 0, scriptCode: witnessScript, amountSat: capacitySat)
    let signature: [UInt8]
    do { signature = try Secp256k1.signEcdsa(digest: digest, secret: secret) } catch {
      throw ChannelError.wrongSecret
    }
    transaction.inputs[0].witness = [signature + [Sighash.HashType.all], [], witnessScript]
    return transaction
  }
}
