import Bitcoin
import Bytes

/// The light client: a set of state machines without I/O.
///
/// The driver dials, moves bytes and keeps time; after every call it takes all effects with
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
  /// Scripts watched only to see the client's own transactions confirmed or displaced.
  var markers: [[UInt8]] = []
  private var timerAtMs: UInt64?

  /// - Parameters:
  ///   - state: what an earlier run stored; damage that shows is answered by starting afresh from
  ///     the last sound header.
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
      // Of what is on disk, what follows the last sound header is forgotten.
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

  /// What is on disk is replaced by where a chain without a past begins.
  private mutating func storeFirst() {
    let first = shared.network.checkpoint?.header ?? shared.network.genesis
    let height = shared.chain.baseHeight
    // What is on disk may end below a checkpoint that was added since: then nothing joins it.
    if height > 0 { shared.outbox.push(.storeHeaders(fromHeight: 0, [], workBefore: .zero)) }
    shared.outbox.push(
      .storeHeaders(fromHeight: height, [first], workBefore: shared.chain.workBefore))
    if let header = filterHeaders.chain.header(at: height) {
      shared.outbox.push(.storeFilterHeaders(fromHeight: height, [header]))
    }
  }

  // MARK: What happened

  /// A connection that ``LightClientEffect/connect(_:)`` asked for stands.
  public mutating func peerConnected(
    _ id: PeerId, address: PeerAddress, nowMs: UInt64, unixSeconds: UInt64
  ) {
    setTime(nowMs, unixSeconds)
    if shared.index(of: id) != nil { return }
    // Two connections to one address would be one opinion heard twice.
    if shared.peers.contains(where: { $0.address == address && !$0.isClosing }) {
      shared.outbox.push(.disconnect(id, .tooManyPeers))
      return
    }
    // The driver dials names by itself, and cannot know who stands behind them.
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

  /// Dialling failed or took too long.
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

  /// Bytes came from a peer, in any portions.
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

  /// The connection ended without this client asking for it.
  public mutating func peerDisconnected(_ id: PeerId, nowMs: UInt64, unixSeconds: UInt64) {
    setTime(nowMs, unixSeconds)
    guard let index = shared.index(of: id) else { return }
    shared.peers[index].isClosing = true
    settle()
  }

  /// The time set by ``LightClientEffect/setTimer(atMs:)`` has come. Earlier or later does no harm.
  public mutating func timerFired(nowMs: UInt64, unixSeconds: UInt64) {
    setTime(nowMs, unixSeconds)
    timerAtMs = nil
    settle()
  }

  private mutating func setTime(_ nowMs: UInt64, _ unixSeconds: UInt64) {
    // Time does not run backwards here, whatever the driver's clock does.
    shared.nowMs = max(shared.nowMs, nowMs)
    shared.unixSeconds = unixSeconds
  }

  // MARK: What is wanted

  /// Looks for `script` in all blocks from `fromHeight` on, spent or paid. Heights already scanned
  /// are scanned again for it; heights that are no longer kept are not. Where it is watched already
  /// the lower height counts.
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
  /// each of them for it until they return it, or have been asked often enough. It goes on until
  /// the transaction is in a block or ``forget(_:)`` is called, and begins again where a
  /// reorganisation takes it out. Its confirmation is noticed from the heights on that are not
  /// scanned yet.
  public mutating func broadcast(_ transaction: Transaction) {
    relay(transaction, markers: transaction.firstPaidScript.map { [$0] } ?? [])
  }

  /// ``broadcast(_:)`` of a transaction that somebody else made and handed over, for example the
  /// funding of a channel: what else may spend its inputs is looked for too.
  ///
  /// A filter shows a spend by the output's script, which is not in the transaction. Only P2WSH
  /// inputs show theirs, in their witness (the first 16 of them are watched). For such an input a
  /// double spend in a block is told by ``LightClientEvent/transactionConflicted(txid:by:height:)``;
  /// for others, taproot's key spends above all, only where the block is fetched for another
  /// watched script. Nothing but the confirmation itself then shows that the transaction holds:
  /// its absence proves nothing. Whoever made it chooses what the witnesses show: ``forget(_:)`` it
  /// when it is of no more use, or every block may be fetched for it.
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

  /// Asks every peer anew for a transaction that is being relayed (``broadcast(_:)``), eight times
  /// within two minutes at most. ``RelayState/returnedBy`` counts from zero again.
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

  /// An output that the caller saw in an earlier run, in a transaction whose id it computed itself:
  /// from now on it is certain what spends it, and a filter that hides that is provably false.
  public mutating func recall(_ outPoint: OutPoint, script: [UInt8]) {
    coins.add(outPoint, script)
  }

  // MARK: What comes out

  /// The next thing for the driver to do; nil when there is nothing more.
  public mutating func nextEffect() -> LightClientEffect? { shared.outbox.next() }

  /// Asks for the next wake-up. A timer that is set too early is left as it is: it does no harm.
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
