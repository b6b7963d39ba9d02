import Bitcoin
import Bytes

/// What the provider's channel asks its caller to do, in the order given, each finished before the
/// next.
public enum ProviderEffect: Equatable, Sendable {
  /// Write `state` durably, replacing what was stored.
  case store(state: [UInt8])
  /// The payment is stored: acknowledge it to the publisher.
  case acknowledge(sequence: UInt64, amountSat: UInt64)
  /// The funding is as deep as the policy asks, below the authenticated height: what was paid counts.
  case funded(height: UInt32)
  /// The funding was taken out of the chain by a reorganisation: nothing that was paid counts until
  /// `funded` again.
  case fundingLost
  /// A block holds another transaction (wire byte order) that spends what was to fund the channel:
  /// what was paid is lost.
  case fundingConflicted(by: Bytes32)
  /// Relay this close, and again until it confirms.
  case broadcast(Transaction)
  /// The expiry comes near: end the work and call `close(feeRateSatPerKvB:)`. Given at each tip from
  /// ``ChannelTerms/closeHeight`` on until then.
  case closeIsDue
  /// The coins left the channel in a block.
  case closed(ChannelSpend, height: UInt32)
}
