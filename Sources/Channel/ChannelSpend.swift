import Bitcoin
import Bytes

/// How a channel's coins left it, read from the transaction that spent them.
public struct ChannelSpend: Equatable, Sendable {
  public enum Kind: UInt8, Sendable {
    /// Both keys signed: a close.
    case close = 1
    /// The publisher's key alone, after the expiry.
    case refund = 2
  }

  public var kind: Kind
  /// Wire byte order.
  public var txid: Bytes32
  /// What the owner's payout script received from a close.
  public var payoutSat: UInt64
  /// What the publisher received: in a close the return output, in a refund any output.
  public var returnSat: UInt64

  init(kind: Kind, txid: Bytes32, payoutSat: UInt64, returnSat: UInt64) {
    self.kind = kind
    self.txid = txid
    self.payoutSat = payoutSat
    self.returnSat = returnSat
  }

  /// Nil unless `transaction` spends `funding`. The chain has verified its signatures. Sums of its
  /// amounts are capped at `Amount.maxSat`, because a light client cannot check the inputs' sum.
  public init?(_ transaction: Transaction, of funding: OutPoint, _ terms: ChannelTerms) {
    guard let input = transaction.inputs.first(where: { $0.previous == funding }) else {
      return nil
    }
    kind = input.witness.count == 4 ? .close : .refund
    txid = transaction.txid
    payoutSat = 0
    returnSat = 0
    let returnScript = terms.returnScript
    for output in transaction.outputs {
      if kind == .refund || output.scriptPubKey == returnScript {
        returnSat = ChannelSpend.sum(returnSat, output.amountSat)
      } else if output.scriptPubKey == terms.payoutScript {
        payoutSat = ChannelSpend.sum(payoutSat, output.amountSat)
      }
    }
  }

  private static func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
    min(left + min(right, Amount.maxSat), Amount.maxSat)
  }

  // MARK: Encoding within a stored state

  func encode(to writer: inout ByteWriter) {
    writer.u8(kind.rawValue)
    writer.append(txid)
    writer.u64le(payoutSat)
    writer.u64le(returnSat)
  }

  static func decode(_ reader: inout ByteReader) throws(BytesError) -> ChannelSpend {
    let start = reader.offset
    guard let kind = Kind(rawValue: try reader.u8()) else {
      throw BytesError.invalid(offset: start)
    }
    return ChannelSpend(
      kind: kind, txid: try reader.bytes32(), payoutSat: try reader.u64le(),
      returnSat: try reader.u64le())
  }
}
