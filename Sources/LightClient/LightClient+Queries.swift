import Bitcoin
import Bytes

/// What is known.
extension LightClient {
  public var network: Network { shared.network }
  public var configuration: LightClientConfiguration { shared.configuration }

  /// The height of the best chain.
  public var tipHeight: UInt32 { shared.chain.tipHeight }
  public var tipHash: Bytes32 { shared.chain.tipHash }
  /// Seconds since 1970, as the tip's header has it.
  public var tipTime: UInt32 { shared.chain.tipTime }

  /// All blocks up to here were looked through for every watched script, and what matched was told.
  public var scannedHeight: UInt32 { scan.scannedHeight ?? 0 }

  /// The height up to which blocks are proven to be the network's; nothing above it is believed
  /// where money is concerned. On a signet nothing enters the chain, or the disk, before the
  /// solution of a tip above it was verified, so this is the tip. Elsewhere work alone decides: it
  /// is the tip of a chain that has the work of the network, and no chain's before.
  public var authenticatedHeight: UInt32 {
    headers.lacksWork(shared) ? shared.network.checkpoint?.height ?? 0 : shared.chain.tipHeight
  }

  /// The lowest height whose header is still kept.
  public var baseHeight: UInt32 { shared.chain.baseHeight }

  /// Level with every peer, filters matched up to the tip, at least one peer connected.
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
    // Where everybody follows another chain, which parts below the kept one, nothing is certain.
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

  /// Seconds since 1970: the median of the tip's and its ten ancestors' times, which time locks
  /// are held against (BIP113).
  public var medianTimePast: UInt32 { shared.chain.medianTimePast }

  /// The fee rate that half of the peers or more relay (BIP133), in sat per 1000 virtual bytes. The
  /// middle, of two the lower one, so that one peer of several cannot make fees rise.
  public var feeRateFloorSatPerKvB: UInt64 {
    var floors: [UInt64] = []
    for peer in shared.peers where peer.isReady && peer.feeFloorSatPerKvB > 0 {
      floors.append(min(peer.feeFloorSatPerKvB, 1_000_000))
    }
    if floors.isEmpty { return 1000 }
    floors.sort()
    return floors[(floors.count - 1) / 2]
  }

  /// What a transaction should pay to be in one of the next blocks, in sat per 1000 virtual bytes:
  /// what peers relay (``feeRateFloorSatPerKvB``), and more where the last blocks were full.
  public var feeRateSatPerKvB: UInt64 {
    max(feeRateFloorSatPerKvB, fees.rate(tipHeight: shared.chain.tipHeight))
  }

  /// What peers did with a transaction that is being relayed; nil for any other.
  public func relayState(_ txid: Bytes32) -> RelayState? { broadcaster.state(txid) }

  /// Whether a program that relays this transaction may stop: two peers have it
  /// (``RelayState/takenBy``), all of them where there are fewer and at least one; or a block has
  /// it, or spent its inputs otherwise. False for a transaction that is not being relayed.
  public func isDelivered(_ txid: Bytes32) -> Bool { broadcaster.isDelivered(txid, shared) }

  /// What ``LightClientEffect/storePeers(_:)`` stores, as it is now.
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
