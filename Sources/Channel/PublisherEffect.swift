import Bitcoin
import Bytes

/// What the publisher's channel requests from its caller: to be carried out in order, each before
/// the next.
public enum PublisherEffect: Equatable, Sendable {
  /// Write `state` durably, replacing what was stored.
  case store(state: [UInt8])
  /// The payment is stored: send it.
  case send(ChannelPayment)
  /// Relay this funding, close or refund, repeatedly until it confirms.
  case broadcast(Transaction)
  /// A block holds another transaction (wire byte order) that spends an input of the funding.
  case fundingConflicted(by: Bytes32)
  /// The channel has expired, and the publisher holds the provider's signatures over a close that
  /// pays the owner: call `close(feeRateSatPerKvB:)`. Emitted at each tip until then.
  case closeIsDue
  /// The channel has expired unclosed: call `refund(to:feeRateSatPerKvB:tipHeight:)`. Emitted at
  /// each tip until the coins are spent.
  case refundIsDue
  /// The coins left the channel in a block.
  case closed(ChannelSpend, height: UInt32)
}
