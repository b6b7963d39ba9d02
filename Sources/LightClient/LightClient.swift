import Bitcoin
import Bytes

/// The light client: a set of state machines without I/O.
///
/// The driver dials, transfers bytes and keeps time; after every call it takes all effects with
/// ``nextEffect()``. Randomness comes from a seed, so a run can be repeated.
///
/// - Bitcoin P2P v1; BIP130 (sendheaders), BIP133 (feefilter), BIP155 (addrv2), BIP157 and BIP158
///   (filters), BIP325 (signets), BIP339 (wtxidrelay).
public struct LightClient {
  var shared: Shared
  let handshake = Handshake()
  var headers = HeaderSync()
  var filterHeaders: FilterHeaderSync
  var scan: FilterScan
  var blocks = BlockFetcher()
  var broadcaster = Broadcaster()
  var mempool = MempoolWatch()
  var book: AddressBook
  var teller: Teller
  var fees = FeeEstimator()
  var coins = KnownCoins()
  /// Scripts watched only to detect that the client's own transactions are confirmed or displaced.
  var markers: [[UInt8]] = []
  private var timerAtMs: UInt64?

  /// - Parameters:
  ///   - state: what an earlier run stored; where it is damaged, the client continues from the last
  ///     valid header.
  ///   - seed: randomness for nonces and jitter.
  ///   - nowMs: the monotonic clock.
  public init(
    network: Network, configuration: LightClientConfiguration, state: LightClientState,
    seed: UInt64, nowMs: UInt64, unixSeconds: UInt64
  ) {
    let restored = HeaderChain(network: network, state: state)
    let chain = restored ?? HeaderChain(network: network)
    shared = Shared(
      network: network,
      watchesMempool: configuration.watchesMempool
        ?? LightClientConfiguration.watchesMempool(on: network),
      configuration: configuration, random: SeededNumbers(seed),
      nowMs: nowMs, unixSeconds: unixSeconds, outbox: Outbox(magic: network.magic), chain: chain)
    shared.configuration.windowHeaders = max(2200, configuration.windowHeaders)
    filterHeaders = FilterHeaderSync(
      chain: LightClient.filterChain(network, chain, restored == nil ? [] : state.filterHeaders))
    scan = FilterScan(nextHeight: chain.tipHeight + 1)
    book = AddressBook(configuration: configuration, known: state.peers, nowMs: nowMs)
    teller = Teller(chain: chain, nowMs: nowMs)
    if restored == nil {
      storeFirst()
    } else if chain.count != state.headers.count {
      // Discard from disk what follows the last valid header.
      shared.outbox.push(
        .storeHeaders(fromHeight: chain.tipHeight + 1, [], workBefore: chain.work))
    }
    settle()
  }

  private static func filterChain(
    _ network: Network, _ chain: HeaderChain, _ stored: [Bytes32]
  ) -> FilterHeaderChain {
    if !stored.isEmpty {
      let usable = min(stored.count, chain.count)
      return FilterHeaderChain(
        baseHeight: chain.baseHeight, before: chain.baseHeight == 0 ? .zero : nil,
        headers: Array(stored[0..<usable]))
    }
    if let checkpoint = network.checkpoint, let header = checkpoint.filterHeader,
      chain.baseHeight == checkpoint.height
    {
      return FilterHeaderChain(baseHeight: chain.baseHeight, before: nil, headers: [header])
    }
    return FilterHeaderChain(
      baseHeight: chain.baseHeight, before: chain.baseHeight == 0 ? .zero : nil)
  }

  /// Replaces what is on disk by the first header of a new chain.
  private mutating func storeFirst() {
    let first = shared.network.checkpoint?.header ?? shared.network.genesis
    let height = shared.chain.baseHeight
    // Stored headers may end below a checkpoint that was added later, and would leave a gap.
    if height > 0 { shared.outbox.push(.storeHeaders(fromHeight: 0, [], workBefore: .zero)) }
    shared.outbox.push(
      .storeHeaders(fromHeight: height, [first], workBefore: shared.chain.workBefore))
    if let header = filterHeaders.chain.header(at: height) {
      shared.outbox.push(.storeFilterHeaders(fromHeight: height, [header]))
    }
  }

  // MARK: Inputs

  /// A connection requested by ``LightClientEffect/connect(_:)`` is established.
  public mutating func peerConnected(
    _ id: PeerId, address: PeerAddress, nowMs: UInt64, unixSeconds: UInt64
  ) {
    setTime(nowMs, unixSeconds)
    if shared.index(of: id) != nil { return }
    // Two connections to one address would count one peer's answers twice.
    if shared.peers.contains(where: { $0.address == address && !$0.isClosing }) {
      shared.outbox.push(.disconnect(id, .tooManyPeers))
      return
    }
    // The driver dials names itself, and does not know the banned addresses.
    if book.isBanned(address, shared.unixSeconds) {
      shared.outbox.push(.disconnect(id, .unsuitable))
      return
    }
    book.connected(address)
    shared.peers.append(
      Peer(
        id: id, address: address, isConfigured: book.isConfigured(address), connectedMs: nowMs,
        framer: MessageFramer(
          magic: shared.network.magic, maxPayloadBytes: Limits.payloadBytes),
        lastReceivedMs: nowMs))
    handshake.connected(shared.peers.count - 1, &shared)
    settle()
  }

  /// Dialling failed or timed out.
  public mutating func connectFailed(
    _ address: PeerAddress, nowMs: UInt64, unixSeconds: UInt64
  ) {
    setTime(nowMs, unixSeconds)
    book.failed(address, &shared)
    settle()
  }

  /// Seeds resolved to these addresses (``LightClientEffect/lookUpSeeds(_:)``).
  public mutating func addressesFound(
    _ addresses: [PeerAddress], nowMs: UInt64, unixSeconds: UInt64
  ) {
    setTime(nowMs, unixSeconds)
    book.seeded(addresses)
    settle()
  }

  /// Bytes were received from a peer, in portions of any size.
  public mutating func received(
    _ bytes: [UInt8], from id: PeerId, nowMs: UInt64, unixSeconds: UInt64
  ) {
    setTime(nowMs, unixSeconds)
    guard let index = shared.index(of: id), !shared.peers[index].isClosing else { return }
    shared.peers[index].lastReceivedMs = nowMs
    shared.peers[index].framer.append(bytes)
    while !shared.peers[index].isClosing {
      do {
        guard let message = try shared.peers[index].framer.next() else { break }
        handle(message, index)
      } catch {
        shared.punish(index, .malformedMessage(error))
      }
    }
    settle()
  }

  /// The connection ended without a request by this client.
  public mutating func peerDisconnected(_ id: PeerId, nowMs: UInt64, unixSeconds: UInt64) {
    setTime(nowMs, unixSeconds)
    guard let index = shared.index(of: id) else { return }
    shared.peers[index].isClosing = true
    settle()
  }

  /// The time set by ``LightClientEffect/setTimer(atMs:)`` has come. An early or late call is
  /// harmless.
  public mutating func timerFired(nowMs: UInt64, unixSeconds: UInt64) {
    setTime(nowMs, unixSeconds)
    timerAtMs = nil
    settle()
  }

  private mutating func setTime(_ nowMs: UInt64, _ unixSeconds: UInt64) {
    // The core's time never runs backwards, even if the driver's clock does.
    shared.nowMs = max(shared.nowMs, nowMs)
    shared.unixSeconds = unixSeconds
  }

  // MARK: Requests of the owner

  /// Searches all blocks from `fromHeight` on for spends from and payments to `script`. Heights
  /// already scanned are scanned again for it; heights that are no longer kept are not. For a
  /// script that is watched already the lower height counts.
  public mutating func watch(_ script: [UInt8], fromHeight: UInt32) {
    if script.isEmpty { return }
    markers.removeAll { $0 == script }
    scan.watch(script, fromHeight: fromHeight, chain: shared.chain)
    settle()
  }

  public mutating func unwatch(_ script: [UInt8]) {
    if broadcaster.isMarker(script) {
      if !markers.contains(script) { markers.append(script) }
    } else {
      scan.unwatch(script)
    }
    settle()
  }

  /// Relays the transaction: announces it to all peers, at once and every minute or two, and asks
  /// each of them for it until the peer returns it or the limit of questions is reached. Relaying
  /// continues until the transaction is in a block or ``forget(_:)`` is called, and resumes if a
  /// reorganisation removes that block. The confirmation is detected only at heights that are not
  /// scanned yet.
  public mutating func broadcast(_ transaction: Transaction) {
    relay(transaction, markers: transaction.firstPaidScript.map { [$0] } ?? [])
  }

  /// ``broadcast(_:)`` for a transaction that another party made, for example the funding of a
  /// channel: other spends of its inputs are searched for too.
  ///
  /// A filter shows a spend by the output's script, which is not in the transaction. Only P2WSH
  /// inputs reveal theirs, in their witness (the first 16 of them are watched). For such an input a
  /// double spend in a block is reported by
  /// ``LightClientEvent/transactionConflicted(txid:by:height:)``; for others, mainly taproot key
  /// spends, only where the block is fetched for another watched script. Only the confirmation then
  /// proves that the transaction holds; its absence proves nothing. The transaction's maker chooses
  /// what the witnesses reveal: call ``forget(_:)`` when it is no longer needed, or every block may
  /// be fetched for it.
  public mutating func follow(_ transaction: Transaction) {
    var scripts = transaction.shownScripts
    if let paid = transaction.firstPaidScript, !scripts.contains(paid) { scripts.append(paid) }
    relay(transaction, markers: scripts)
  }

  private mutating func relay(_ transaction: Transaction, markers scripts: [[UInt8]]) {
    if broadcaster.state(transaction.txid) == nil, let surplus = broadcaster.surplus {
      dropBroadcast(surplus)
    }
    broadcaster.add(transaction, markers: scripts)
    for script in scripts where !scan.isWatched(script) {
      markers.append(script)
      scan.watch(script, fromHeight: scan.nextHeight, chain: shared.chain)
    }
    settle()
  }

  /// Asks every peer again for a transaction that is being relayed (``broadcast(_:)``), at most
  /// eight times within two minutes. ``RelayState/returnedBy`` restarts from zero.
  public mutating func probe(_ txid: Bytes32) {
    broadcaster.askAgain(txid)
    settle()
  }

  public mutating func forget(_ txid: Bytes32) {
    dropBroadcast(txid)
    settle()
  }

  private mutating func dropBroadcast(_ txid: Bytes32) {
    for marker in broadcaster.remove(txid) where markers.contains(marker) {
      markers.removeAll { $0 == marker }
      scan.unwatch(marker)
    }
  }

  /// An output that the caller saw in an earlier run, in a transaction whose id it computed itself.
  /// Its spend is certain from now on, and a filter that hides the spend is provably false.
  public mutating func recall(_ outPoint: OutPoint, script: [UInt8]) {
    coins.add(outPoint, script)
  }

  // MARK: Outputs

  /// The next effect for the driver; nil when there is none.
  public mutating func nextEffect() -> LightClientEffect? { shared.outbox.next() }

  /// Requests the next wake-up. A timer that is set too early is kept: an early call is harmless.
  mutating func setTimer() {
    var deadline = handshake.deadlineMs(shared)
    deadline = min(deadline, headers.deadlineMs(shared))
    deadline = min(deadline, filterHeaders.deadlineMs(shared))
    deadline = min(deadline, scan.deadlineMs(shared))
    deadline = min(deadline, blocks.deadlineMs(shared))
    deadline = min(deadline, broadcaster.deadlineMs(shared))
    deadline = min(deadline, book.deadlineMs(shared))
    deadline = min(deadline, teller.deadlineMs)
    if deadline == UInt64.max { return }
    deadline = max(deadline, shared.nowMs + 1)
    if let timerAtMs, timerAtMs <= deadline { return }
    timerAtMs = deadline
    shared.outbox.push(.setTimer(atMs: deadline))
  }
}
