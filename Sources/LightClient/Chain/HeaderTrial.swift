import Bitcoin
import Bytes

/// A chain of headers without peers: each list passes every rule that a peer's `headers` message
/// passes, and is appended to the chain. For measurements, and for headers from other sources.
public struct HeaderTrial {
  private let network: Network
  private let unixSeconds: UInt64
  private var chain: HeaderChain

  /// - Parameter unixSeconds: the current time; headers may be at most two hours ahead of it.
  public init(network: Network, unixSeconds: UInt64) {
    self.network = network
    self.unixSeconds = unixSeconds
    chain = HeaderChain(network: network)
  }

  public var tipHeight: UInt32 { chain.tipHeight }
  public var tipHash: Bytes32 { chain.tipHash }

  /// Appends headers, the first a child of the tip. Throws if one breaks a rule; then none is
  /// appended.
  public mutating func append(_ headers: [BlockHeader]) throws(BitcoinError) {
    guard let first = headers.first else { return }
    guard let hashes = HeaderSync.linkedHashes(headers), first.previous == chain.tipHash else {
      throw BitcoinError.invalid("headers that are not a chain")
    }
    var branch = HeaderBranch(forkHeight: chain.tipHeight)
    switch branch.extend(
      headers[...], hashes: hashes[...], on: chain, network: network, unixSeconds: unixSeconds)
    {
    case .invalid(let error): throw error
    case .fromFuture: throw BitcoinError.invalid("a header is from the future")
    case nil: chain.append(branch.records)
    }
  }
}
