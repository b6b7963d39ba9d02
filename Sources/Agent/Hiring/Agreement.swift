import Bytes
import Market

/// A contract that the publisher signed and this machine would: what a lease begins with.
struct Agreement {
  let announcementTxid: Bytes32
  let endpoint: Endpoint
  let offer: Offer
  let contract: Contract
  let publisherSignature: [UInt8]
  /// From which the keys of the lease's channels are derived.
  let channelNonce: Bytes32
}
