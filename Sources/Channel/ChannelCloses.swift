import Bitcoin
import Bytes
import Crypto

/// All closes of one funded channel; computes once what they share: parsed keys, the fees of the
/// rungs, and the parts of the digests that do not depend on the amount.
public struct ChannelCloses: Sendable {
  public let terms: ChannelTerms
  public let funding: OutPoint

  private let providerKey: Secp256k1.PublicKey
  private let publisherKey: Secp256k1.PublicKey
  private let witnessScript: [UInt8]
  private let returnScript: [UInt8]
  /// By rung.
  private let feesSat: [UInt64]
  private let parts: SighashParts

  /// Throws `terms` where they break a rule.
  public init(_ terms: ChannelTerms, funding: OutPoint) throws(ChannelError) {
    try terms.check()
    guard let providerKey = Secp256k1.PublicKey(terms.providerKey),
      let publisherKey = Secp256k1.PublicKey(terms.publisherKey)
    else { throw ChannelError.terms(field: "keys", problem: "not compressed public keys") }
    self.terms = terms
    self.funding = funding
    self.providerKey = providerKey
    self.publisherKey = publisherKey
    witnessScript = terms.lock.witnessScript
    returnScript = terms.returnScript
    let virtualSize = ClosingTransaction.virtualSize(terms)
    feesSat = terms.feeLadderSatPerKvB.map {
      ClosingTransaction.feeSat(rateSatPerKvB: $0, virtualSize: virtualSize)
    }
    parts = SighashParts(
      version: 2, input: ChannelCloses.input(funding), scriptCode: witnessScript,
      amountSat: terms.capacitySat, lockTime: 0)
  }

  private static func input(_ funding: OutPoint) -> TransactionInput {
    TransactionInput(previous: funding, sequence: 0xffff_fffd)
  }

  public var rungs: Range<Int> { feesSat.indices }

  /// The lowest rung among those that satisfy `isThere` that pays `rateSatPerKvB`; if none does,
  /// the highest of them; nil if there is none.
  func rung(
    paying rateSatPerKvB: UInt64, where isThere: (Int) -> Bool = { _ in true }
  ) -> Int? {
    var chosen: Int?
    for rung in rungs where isThere(rung) {
      chosen = rung
      if UInt64(terms.feeLadderSatPerKvB[rung]) >= rateSatPerKvB { break }
    }
    return chosen
  }

  // MARK: Transactions

  /// The outputs of the close of `amountSat` at a rung: the payout, then the return; dust outputs
  /// are left out. Nil if the amount is above what can be paid or the ladder has no such rung.
  func outputs(amountSat: UInt64, rung: Int) -> [TransactionOutput]? {
    if !rungs.contains(rung) || amountSat > terms.maxPayableSat { return nil }
    var payoutSat = amountSat
    // The reserve is at least the fee of the highest rung.
    var restSat = terms.capacitySat - amountSat - feesSat[rung]
    if payoutSat < Amount.dustSat {
      restSat += payoutSat
      payoutSat = 0
    } else if restSat < Amount.dustSat {
      payoutSat += restSat
      restSat = 0
    }
    var outputs: [TransactionOutput] = []
    if payoutSat > 0 {
      outputs.append(TransactionOutput(amountSat: payoutSat, scriptPubKey: terms.payoutScript))
    }
    if restSat > 0 {
      outputs.append(TransactionOutput(amountSat: restSat, scriptPubKey: returnScript))
    }
    return outputs
  }

  /// The unsigned close; nil in the same cases as ``outputs(amountSat:rung:)``.
  public func unsigned(amountSat: UInt64, rung: Int) -> Transaction? {
    guard let outputs = outputs(amountSat: amountSat, rung: rung) else { return nil }
    return Transaction(inputs: [ChannelCloses.input(funding)], outputs: outputs)
  }

  /// The close with both signatures (DER, without hash type), which are not verified here.
  func signed(
    amountSat: UInt64, rung: Int, publisher: [UInt8], provider: [UInt8]
  ) -> Transaction? {
    guard let unsigned = unsigned(amountSat: amountSat, rung: rung) else { return nil }
    return ClosingTransaction.signed(
      unsigned, witnessScript, publisher: publisher, provider: provider)
  }

  // MARK: Signatures

  /// Signs the close at a rung, by either side's secret. Throws `aboveCapacity` or `wrongSecret`.
  func sign(amountSat: UInt64, rung: Int, secret: Bytes32) throws(ChannelError) -> [UInt8] {
    guard let outputs = outputs(amountSat: amountSat, rung: rung) else {
      throw ChannelError.aboveCapacity(
        maxPayableSat: terms.maxPayableSat, offeredSat: amountSat)
    }
    do {
      return try Secp256k1.signEcdsa(digest: parts.digest(outputs: outputs), secret: secret)
    } catch { throw ChannelError.wrongSecret }
  }

  func isPublishers(_ signature: [UInt8], amountSat: UInt64, rung: Int) -> Bool {
    verifies(signature, amountSat: amountSat, rung: rung, publisherKey)
  }

  func isProviders(_ signature: [UInt8], amountSat: UInt64, rung: Int) -> Bool {
    verifies(signature, amountSat: amountSat, rung: rung, providerKey)
  }

  private func verifies(
    _ signature: [UInt8], amountSat: UInt64, rung: Int, _ key: Secp256k1.PublicKey
  ) -> Bool {
    guard let outputs = outputs(amountSat: amountSat, rung: rung) else { return false }
    return key.verifies(der: signature, digest: parts.digest(outputs: outputs))
  }
}
