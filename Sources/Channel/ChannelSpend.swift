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
  /// What the owner's payout script received.
  public var payoutSat: UInt64
  /// What the publisher's change script received.
  public var changeSat: UInt64

  init(kind: Kind, txid: Bytes32, payoutSat: UInt64, changeSat: UInt64) {
    self.kind = kind
    self.txid = txid
    self.payoutSat = payoutSat
    self.changeSat = changeSat
  }

  /// Nil unless `transaction` spends `funding`. The chain has already judged its signatures; its amounts
  /// are only believed as far as there are coins, for a light client does not add them up.
  public init?(_ transaction: Transaction, of funding: OutPoint, _ terms: ChannelTerms) {
    guard let input = transaction.inputs.first(where: { $0.previous == funding }) else {
      return nil
    }
    kind = input.witness.count == 4 ? .close : .refund
    txid = transaction.txid
    payoutSat = 0
    changeSat = 0
    for (index, output) in transaction.outputs.enumerated() {
      // Both scripts may be the same: then the position tells, as in every close.
      if kind == .close && index == 0 && output.scriptPubKey == terms.payoutScript {
        payoutSat = ChannelSpend.sum(payoutSat, output.amountSat)
      } else if output.scriptPubKey == terms.changeScript {
        changeSat = ChannelSpend.sum(changeSat, output.amountSat)
      }
    }
  }

  private static func sum(_ left: UInt64, _ right: UInt64) -> UInt64 {
    min(left + min(right, Amount.maxSat), Amount.maxSat)
  }
}
