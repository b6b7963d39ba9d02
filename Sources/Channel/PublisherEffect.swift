import Bitcoin
import Bytes

/// What the publisher's channel asks its caller to do, in the order given, each finished before the
/// next.
public enum PublisherEffect: Equatable, Sendable {
  /// Write `state` durably, replacing what was stored.
  case store(state: [UInt8])
  /// The payment is stored: send it.
  case send(ChannelPayment)
  /// Relay this funding, close or refund, and again until it confirms.
  case broadcast(Transaction)
  /// A block holds another transaction (wire byte order) that spends what was to fund the channel.
  case fundingConflicted(by: Bytes32)
  /// The channel has expired, and the provider's signatures over a close that pays it are held: call
  /// `close(feeRateSatPerKvB:)`. Given at each tip until then.
  case closeIsDue
  /// The channel has expired unclosed: call `refund(to:feeRateSatPerKvB:tipHeight:)`. Given at each
  /// tip while the coins are there.
  case refundIsDue
  /// The coins left the channel in a block.
  case closed(ChannelSpend, height: UInt32)
}
