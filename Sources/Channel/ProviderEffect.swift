import Bitcoin
import Bytes

/// What the provider's channel requests from its caller: to be carried out in order, each before
/// the next.
public enum ProviderEffect: Equatable, Sendable {
  /// Write `state` durably, replacing what was stored.
  case store(state: [UInt8])
  /// The payment is stored: acknowledge it to the publisher.
  case acknowledge(sequence: UInt64, amountSat: UInt64)
  /// The funding has the policy's depth below the authenticated height: payments count.
  case funded(height: UInt32)
  /// A reorganisation removed the funding from the chain: payments do not count until the next
  /// `funded`.
  case fundingLost
  /// A block holds another transaction (wire byte order) that spends an input of the funding: all
  /// payments are lost.
  case fundingConflicted(by: Bytes32)
  /// Relay this close, repeatedly until it confirms.
  case broadcast(Transaction)
  /// The expiry is near: end the work and call `close(feeRateSatPerKvB:)`. Emitted at each tip from
  /// ``ChannelTerms/closeHeight`` on until then.
  case closeIsDue
  /// The coins left the channel in a block.
  case closed(ChannelSpend, height: UInt32)
}
