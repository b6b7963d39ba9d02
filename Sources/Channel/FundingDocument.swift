import Bitcoin
import Bytes

/// A channel's funding transaction, checked and kept in its wire form.
struct FundingDocument: Equatable, Sendable {
  /// The wire form, at most ``ChannelTerms/maxFundingBytes``.
  let bytes: [UInt8]
  /// The channel's output.
  let outPoint: OutPoint

  /// Throws `funding` if `transaction` cannot fund the channel: the output is missing, or an input
  /// is not segwit, so that third parties could change the transaction id that every signature
  /// commits to.
  init(_ transaction: Transaction, _ terms: ChannelTerms) throws(ChannelError) {
    if transaction.isCoinbase { throw ChannelError.funding("a coinbase cannot fund a channel") }
    if transaction.inputs.isEmpty { throw ChannelError.funding("the transaction has no input") }
    for input in transaction.inputs where !input.scriptSig.isEmpty || !input.hasWitness {
      throw ChannelError.funding("every input has to be a native segwit input")
    }
    let script = terms.lock.scriptPubKey
    let wanted = TransactionOutput(amountSat: terms.capacitySat, scriptPubKey: script)
    guard let index = transaction.outputs.firstIndex(of: wanted) else {
      throw ChannelError.funding("no output has the channel's amount and script")
    }
    bytes = transaction.bytes()
    if bytes.count > ChannelTerms.maxFundingBytes {
      throw ChannelError.funding("the transaction has more than 10,000 bytes")
    }
    outPoint = OutPoint(txid: transaction.txid, index: UInt32(index))
  }

  /// The transaction. `bytes` were encoded from it, or decoded at restore, so decoding cannot fail.
  var transaction: Transaction {
    (try? Transaction.decode(bytes)) ?? Transaction(inputs: [], outputs: [])
  }

  // MARK: Encoding within a stored state

  func encode(to writer: inout ByteWriter) { writer.lengthPrefixed(bytes) }

  /// Throws `damagedState` if the bytes are not a funding of these terms.
  static func decode(
    _ reader: inout ByteReader, _ terms: ChannelTerms
  ) throws(ChannelError) -> FundingDocument {
    let bytes: [UInt8]
    do { bytes = try reader.lengthPrefixed(limit: ChannelTerms.maxFundingBytes) } catch {
      throw ChannelError.malformed(error)
    }
    guard let transaction = try? Transaction.decode(bytes),
      let funding = try? FundingDocument(transaction, terms)
    else { throw ChannelError.damagedState }
    return funding
  }
}
