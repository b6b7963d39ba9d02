import Bitcoin
import Bytes

/// Queries.
extension LightClient {
  public var network: Network { shared.network }
  public var configuration: LightClientConfiguration { shared.configuration }

  /// The height of the best chain.
  public var tipHeight: UInt32 { shared.chain.tipHeight }
  public var tipHash: Bytes32 { shared.chain.tipHash }
  /// The time in the tip's header, seconds since 1970.
  public var tipTime: UInt32 { shared.chain.tipTime }

  /// Every watched script was searched for up to this height, and all matches were emitted.
  public var scannedHeight: UInt32 { scan.scannedHeight ?? 0 }

  /// The height up to which blocks are proven to belong to the network; payments above it must not
  /// be trusted. On a signet headers enter the chain, or the disk, only after the solution of a tip
  /// above them is verified, so this is the tip. Elsewhere work decides: it is the tip once the
  /// chain has the network's known work, and the checkpoint before.
  public var authenticatedHeight: UInt32 {
    headers.lacksWork(shared) ? shared.network.checkpoint?.height ?? 0 : shared.chain.tipHeight
  }

  /// The lowest height whose header is still kept.
  public var baseHeight: UInt32 { shared.chain.baseHeight }

  /// The tip equals that of every peer, filters are matched up to it, and at least one peer is
  /// connected.
  public var isSynced: Bool {
    if shared.chain.work < shared.network.minimumChainWork || !headers.hasHeardOne { return false }
    var servers = 0
    var isOnChain = false
    for peer in shared.peers where peer.isReady {
      if peer.isTelling || (peer.branch != nil && peer.withheld == 0) { return false }
      if !peer.hasAnswered && peer.headerStalls == 0 { return false }
      if peer.servesFilters { servers += 1 }
      if !peer.isOffChain { isOnChain = true }
    }
    // While all peers follow a chain that forks below the kept headers, nothing is certain.
    return servers > 0 && isOnChain && filterHeaders.chain.nextHeight > shared.chain.tipHeight
      && filterHeaders.isCrossChecked(shared) && scan.nextHeight > shared.chain.tipHeight
      && !scan.isWaitingForBlocks
  }

  public var progress: SyncProgress {
    var ready = 0
    for peer in shared.peers where peer.isReady { ready += 1 }
    let next = filterHeaders.chain.nextHeight
    return SyncProgress(
      tipHeight: shared.chain.tipHeight, filterHeight: next == 0 ? nil : next - 1,
      scannedHeight: scannedHeight, readyPeers: ready, isWaitingForBlock: scan.isWaitingForBlocks,
      isCrossChecked: filterHeaders.isCrossChecked(shared))
  }

  /// A header's time, seconds since 1970. Nil above the tip and below the kept window.
  public func time(at height: UInt32) -> UInt32? { shared.chain.time(at: height) }
  public func blockHash(at height: UInt32) -> Bytes32? { shared.chain.hash(at: height) }
  /// Nil for a block that is not on the best chain, or below the kept window.
  public func height(of blockHash: Bytes32) -> UInt32? { shared.chain.height(of: blockHash) }

  /// The median of the times of the tip and its ten ancestors, against which time locks are checked
  /// (BIP113); seconds since 1970.
  public var medianTimePast: UInt32 { shared.chain.medianTimePast }

  /// The fee rate that at least half of the peers relay (BIP133), in sat per 1000 virtual bytes.
  /// The median (the lower of two), so that one peer of several cannot raise fees.
  public var feeRateFloorSatPerKvB: UInt64 {
    var floors: [UInt64] = []
    for peer in shared.peers where peer.isReady && peer.feeFloorSatPerKvB > 0 {
      floors.append(min(peer.feeFloorSatPerKvB, 1_000_000))
    }
    if floors.isEmpty { return 1000 }
    floors.sort()
    return floors[(floors.count - 1) / 2]
  }

  /// The fee rate to be in one of the next blocks, in sat per 1000 virtual bytes: what peers relay
  /// (``feeRateFloorSatPerKvB``), and more where the last blocks were full.
  public var feeRateSatPerKvB: UInt64 {
    max(feeRateFloorSatPerKvB, fees.rate(tipHeight: shared.chain.tipHeight))
  }

  /// What peers did with a transaction that is being relayed; nil for any other.
  public func relayState(_ txid: Bytes32) -> RelayState? { broadcaster.state(txid) }

  /// Whether a program that relays this transaction may stop: two peers have it
  /// (``RelayState/takenBy``), or all where there are fewer and at least one; or a block contains
  /// it or spent its inputs. False for a transaction that is not being relayed.
  public func isDelivered(_ txid: Bytes32) -> Bool { broadcaster.isDelivered(txid, shared) }

  /// The current value for ``LightClientEffect/storePeers(_:)``.
  public var knownPeers: [KnownPeer] { book.known(shared.unixSeconds) }

  public var peers: [PeerSummary] {
    var list: [PeerSummary] = []
    for peer in shared.peers where !peer.isClosing {
      list.append(
        PeerSummary(
          id: peer.id, address: peer.address, isReady: peer.isReady,
          servesFilters: peer.servesFilters, height: peer.commonHeight ?? 0,
          latencyMs: peer.latencyMs, userAgent: peer.userAgent))
    }
    return list
  }
}
