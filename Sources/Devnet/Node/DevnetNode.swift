import Bitcoin
import Bytes
import Host

/// The development chain's node: one regtest chain, its mempool, peers, faucet and control socket.
/// Runs on the caller's thread; ``RunningDevnet`` runs it on its own thread.
///
/// Loopback only; its coins have no value.
public final class DevnetNode {
  public let options: DevnetOptions
  public let chain: Chain
  public let mempool: Mempool
  /// The port for peers on 127.0.0.1.
  public private(set) var port: UInt16 = 0

  let faucet: Faucet
  let reactor: Reactor
  private let lock: FileLock
  var sessions: [ConnectionId: PeerSession] = [:]
  var controls: [ConnectionId: [UInt8]] = [:]
  var sessionOptions = PeerSession.Options()
  private var peerListener: ListenerId?
  private var controlListener: ListenerId?
  private var isStopping = false
  /// Called when the descriptor given to ``watchWakeups(_:_:)`` is readable.
  private var wakened: ((DevnetNode) -> Void)?

  enum TimerToken {
    static let housekeeping: UInt64 = 1
    static let nextBlock: UInt64 = 2
  }
  private static let wakeToken: UInt64 = 3
  private static let housekeepingMs: UInt64 = 5000

  /// Opens or creates the chain in the data folder and starts listening.
  public init(_ options: DevnetOptions) throws(DevnetError) {
    self.options = options
    let directory = options.directory
    lock = try hosting { () throws(HostError) in
      try Files.makeFolder(directory)
      return try FileLock(directory + "/lock")
    }
    chain = try Chain(directory: directory)
    mempool = Mempool(chain: chain, policy: options.policy)
    faucet = try Faucet()
    reactor = Reactor()
    sessionOptions.nonce = Entropy.u64()
    sessionOptions.minimumFeeSatPerKvB = options.policy.minimumFeeSatPerKvB
    try makeInitialBlocks()
    loadMempool()
    try listen()
  }

  private func listen() throws(DevnetError) {
    let options = options
    let reactor = reactor
    let (peers, controls) = try hosting { () throws(HostError) -> (ListenerId, ListenerId?) in
      let peers = try reactor.listen(on: .tcp(host: "127.0.0.1", port: options.port))
      if !options.hasControlSocket { return (peers, nil) }
      return (peers, try reactor.listen(on: .unix(path: options.controlPath)))
    }
    peerListener = peers
    controlListener = controls
    port = reactor.address(of: peers)?.port ?? options.port
    let nowMs = Clock.monotonicMs()
    reactor.setTimer(TimerToken.housekeeping, atMs: nowMs + DevnetNode.housekeepingMs)
    scheduleBlock(nowMs: nowMs)
    tell(.listening(port: port, directory: options.directory))
  }

  // MARK: The loop

  /// Handles events until `untilMs` (``Clock/monotonicMs()``; nil: until the next event).
  public func step(untilMs: UInt64?) throws(DevnetError) {
    let reactor = reactor
    let event = try hosting { () throws(HostError) in try reactor.next(untilMs: untilMs) }
    if let event { handle(event) }
  }

  /// Runs until ``stop()`` is called, a signal arrives (after ``stopOnSignals()``), or a request on
  /// the control socket; then saves everything.
  public func run() throws(DevnetError) {
    while !isStopping { try step(untilMs: nil) }
    close()
  }

  public func stop() { isStopping = true }

  /// SIGINT and SIGTERM stop the node. Only one node of a process may use this.
  public func stopOnSignals() throws(DevnetError) {
    let reactor = reactor
    try hosting { () throws(HostError) in try reactor.watchSignals([.interrupt, .terminate]) }
  }

  /// Calls `body` whenever `descriptor` is readable.
  func watchWakeups(_ descriptor: Int32, _ body: @escaping (DevnetNode) -> Void) {
    wakened = body
    reactor.watch(descriptor, token: DevnetNode.wakeToken)
  }

  private func close() {
    for id in sessions.keys { reactor.close(id) }
    for id in controls.keys { reactor.finish(id) }
    if let peerListener { reactor.close(peerListener) }
    if let controlListener { reactor.close(controlListener) }
    saveMempool()
    tell(.stopped)
  }

  private func handle(_ event: ReactorEvent) {
    switch event {
    case .accepted(let listener, let id, let remote): accept(listener, id, remote)
    case .received(let id, let bytes): receive(id, bytes)
    case .closed(let id, let reason): forget(id, reason.message)
    case .drained(let id): pump(id)
    case .timerFired(TimerToken.housekeeping): keepHouse()
    case .timerFired(TimerToken.nextBlock): makeTimedBlock()
    case .descriptorReadable: wakened?(self)
    case .signal: stop()
    case .connected, .timerFired, .descriptorWritable: break
    }
  }

  private func accept(_ listener: ListenerId, _ id: ConnectionId, _ remote: SocketAddress) {
    if listener == controlListener {
      controls[id] = []
      reactor.setBacklogLimit(id, bytes: 64_000_000)
      return
    }
    sessions[id] = PeerSession(options: sessionOptions, nowMs: Clock.monotonicMs())
    reactor.setBacklogLimit(id, bytes: DevnetNode.backlogBytes)
    tell(.peerConnected(id: id.rawValue, address: remote.description))
  }

  private func receive(_ id: ConnectionId, _ bytes: [UInt8]) {
    if controls[id] != nil {
      receiveControl(id, bytes)
    } else {
      receivePeer(id, bytes)
    }
  }

  private func forget(_ id: ConnectionId, _ reason: String) {
    controls[id] = nil
    if sessions.removeValue(forKey: id) != nil {
      tell(.peerGone(id: id.rawValue, reason: reason))
    }
  }

  func tell(_ event: DevnetEvent) { options.observer?(event) }

  // MARK: Timers

  private func keepHouse() {
    let nowMs = Clock.monotonicMs()
    reactor.setTimer(TimerToken.housekeeping, atMs: nowMs + DevnetNode.housekeepingMs)
    for id in sessions.keys.sorted() {
      guard var session = sessions[id] else { continue }
      let effects = session.timerFired(nowMs: nowMs)
      sessions[id] = session
      apply(effects, to: id)
    }
  }

  private func scheduleBlock(nowMs: UInt64) {
    guard let seconds = options.blockIntervalSeconds, seconds > 0 else { return }
    reactor.setTimer(TimerToken.nextBlock, atMs: nowMs + UInt64(seconds) * 1000)
  }

  private func makeTimedBlock() {
    scheduleBlock(nowMs: Clock.monotonicMs())
    do throws(DevnetError) {
      try mine(1)
    } catch {
      // The next attempt may succeed; the kernel also reports a full disk itself.
      tell(.transactionRejected(txid: .zero, reason: "no block was made: \(error.message)"))
    }
  }
}
