import Bytes
import Market

/// A contract that the publisher signed and this provider may accept; the start of a lease.
struct Agreement {
  let announcementTxid: Bytes32
  let endpoint: Endpoint
  let offer: Offer
  let contract: Contract
  let publisherSignature: [UInt8]
  /// The nonce from which the lease's channel keys are derived.
  let channelNonce: Bytes32
}
