import Bitcoin
import Bytes
import LightClient

/// The only owner of a wallet in a program, shared by all runs in it. No I/O: it passes the light
/// client's events to the ``Wallet``, decides what is watched, stored and relayed, and makes due
/// transactions each time the chain is synced.
///
/// **Order.** Take all effects after each call (``nextEffect()``). A built transaction is not
/// relayed yet: the caller first stores its own state (a channel's), then carries out these
/// effects, which store the wallet, then relays. After a crash in between, the transaction is in
/// the caller's store, which passes it to ``noteOwn(_:)``.
public final class WalletOwner {
  public private(set) var wallet: Wallet
  /// Complete closes that the publisher holds, by channel: they are sent instead of refunds. Set it
  /// before ``started(_:)``.
  public var heldCloses: [OutPoint: Transaction] = [:]

  private let bornUnixSeconds: UInt64
  private let random: () -> Bytes32
  private var effects: [WalletEffect] = []
  private var deeds: [WalletDeed] = []
  private var watched = Set<[UInt8]>()
  private var reserved: [WalletReservation: UInt64] = [:]
  private var nextReservation: UInt64 = 0
  /// Whether blocks are scanned.
  public private(set) var isWatching = false
  /// Whether there are unsaved changes, and how many blocks were scanned since the last save.
  private var isDirty = false
  private var unsavedBlocks = 0
  /// During a long scan the wallet is stored every this many blocks.
  private static let blocksBetweenStores = 2000

  /// - Parameters:
  ///   - bornUnixSeconds: when the phrase was made; 0 if unknown.
  ///   - random: fresh random bytes.
  public init(wallet: Wallet, bornUnixSeconds: UInt64, random: @escaping () -> Bytes32) {
    self.wallet = wallet
    self.bornUnixSeconds = bornUnixSeconds
    self.random = random
  }

  /// The next effect; nil when there is none.
  public func nextEffect() -> WalletEffect? { effects.isEmpty ? nil : effects.removeFirst() }

  /// The automatic transactions since the last call.
  public func takeDeeds() -> [WalletDeed] {
    defer { deeds = [] }
    return deeds
  }

  // MARK: The chain

  /// Sets the birth height of a new wallet (``birthHeight(_:_:)``). Call it before ``started(_:)``.
  public func setBirth(_ height: UInt32) { wallet.setBirth(height) }

  /// Call once. The wallet goes back to the last block that it shares with the chain.
  public func started(_ chain: some WalletChain) {
    if wallet.birthHeight != nil { watchAll(chain) }
  }

  private func watchAll(_ chain: some WalletChain) {
    let from = wallet.reconcile(baseHeight: chain.baseHeight) { chain.blockHash(at: $0) }
    isWatching = true
    for known in wallet.knownOutputs {
      effects.append(.recall(known.outPoint, script: known.script))
    }
    for script in wallet.watchedScripts { watch(script, fromHeight: from) }
    for transaction in wallet.pendingTransactions { effects.append(.broadcast(transaction)) }
    store()
  }

  /// Watches a script once: a second call would replace the height of the first.
  private func watch(_ script: [UInt8], fromHeight: UInt32) {
    if !watched.insert(script).inserted { return }
    effects.append(.watch(script: script, fromHeight: fromHeight))
  }

  /// Call it with every event of the light client, in order.
  public func chainTold(
    _ event: LightClientEvent, _ chain: some WalletChain
  ) throws(WalletError) {
    switch event {
    case .synced:
      if !isWatching {
        wallet.setBirth(WalletOwner.birthHeight(bornUnixSeconds, chain))
        watchAll(chain)
      }
      if isDirty || unsavedBlocks > 0 { store() }
      try takeDue(chain)
    case .blockMatched(let height, let block):
      let added = try wallet.blockConnected(height: height, block: block)
      isDirty = true
      for new in added {
        watch(new.script, fromHeight: WalletOwner.lookBack(new, height, wallet, chain))
      }
    case .blockScanned(let height): scanned(height, chain)
    case .blocksDisconnected(_, let toHeight):
      wallet.blockDisconnected(height: toHeight + 1)
      store()
    case .transactionSeen(let transaction):
      let added = try wallet.transactionSeen(transaction)
      isDirty = true
      for new in added { watch(new.script, fromHeight: chain.scannedHeight + 1) }
    default: break
    }
  }

  /// The height from which a script that was found in a block at `height` is searched for.
  private static func lookBack(
    _ new: NewScript, _ height: UInt32, _ wallet: Wallet, _ chain: some WalletChain
  ) -> UInt32 {
    // A channel's close cannot come before its funding.
    if new.kind == .channel { return height }
    // While the wallet follows the tip, addresses are watched before they are handed out.
    if height + 6 > chain.tipHeight { return chain.scannedHeight + 1 }
    let margin = Wallet.mempoolBlocks
    return max(wallet.birthHeight ?? 0, height > margin ? height - margin : 0)
  }

  private func scanned(_ height: UInt32, _ chain: some WalletChain) {
    // After a reorganisation the height is gone; an event about that follows.
    guard isWatching, let hash = chain.blockHash(at: height) else { return }
    wallet.blockScanned(height: height, hash: hash)
    unsavedBlocks += 1
    if isDirty || unsavedBlocks >= WalletOwner.blocksBetweenStores { store() }
  }

  /// The birth height of a new wallet: blocks before its phrase was made need no scan.
  public static func birthHeight(_ bornUnixSeconds: UInt64, _ chain: some WalletChain) -> UInt32 {
    // Header times may be wrong by two hours, and the host's clock may be wrong too.
    let marginSeconds: UInt64 = 4 * 60 * 60
    let earliest = bornUnixSeconds > marginSeconds ? bornUnixSeconds - marginSeconds : 0
    var height = chain.tipHeight
    while height > chain.baseHeight, let time = chain.time(at: height), UInt64(time) >= earliest {
      height -= 1
    }
    return height
  }

  /// Stores all unsaved changes.
  public func store() {
    effects.append(.store(wallet.encode()))
    isDirty = false
    unsavedBlocks = 0
  }

  // MARK: Automatic transactions

  private func takeDue(_ chain: some WalletChain) throws(WalletError) {
    let done = try wallet.takeDue(
      heldCloses: heldCloses, feeRateSatPerKvB: chain.feeRateSatPerKvB, random: random)
    if done.isEmpty { return }
    deeds += done
    watchNewScripts(chain)
    store()
    for deed in done {
      if case .replaced(let txid, _) = deed.kind { effects.append(.forget(txid: txid)) }
      effects.append(.broadcast(deed.transaction))
    }
  }

  private func watchNewScripts(_ chain: some WalletChain) {
    if !isWatching { return }
    for script in wallet.watchedScripts { watch(script, fromHeight: chain.scannedHeight + 1) }
  }

  // MARK: Reservations

  /// The spendable amount that is not reserved, in sat.
  public var availableSat: UInt64 {
    let spendableSat = wallet.balance.spendableSat
    let promisedSat = promisedSat(without: nil)
    return spendableSat > promisedSat ? spendableSat - promisedSat : 0
  }

  private func promisedSat(without reservation: WalletReservation?) -> UInt64 {
    var sum: UInt64 = 0
    for (other, amountSat) in reserved where other != reservation { sum += amountSat }
    return sum
  }

  /// Reserves an amount, fees included, for a transaction built later. Reservations are not stored.
  /// Throws `insufficientFunds`.
  public func reserve(_ amountSat: UInt64) throws(WalletError) -> WalletReservation {
    let availableSat = availableSat
    if amountSat > availableSat {
      throw .insufficientFunds(neededSat: amountSat, spendableSat: availableSat)
    }
    let reservation = WalletReservation(number: nextReservation)
    nextReservation += 1
    reserved[reservation] = amountSat
    return reservation
  }

  /// Releases the rest of a reservation.
  public func release(_ reservation: WalletReservation) { reserved[reservation] = nil }

  // MARK: Building

  /// The keys of a new channel. The effects store that its index is used.
  public func takeChannelKeys(_ chain: some WalletChain) throws(WalletError) -> ChannelKeys {
    let index = try wallet.takeChannelIndex()
    let keys = ChannelKeys(
      index: index, secret: try wallet.keys.derivedSecret(.channel, index: index),
      publisherKey: try wallet.keys.derivedKey(.channel, index: index),
      returnKey: try wallet.keys.derivedKey(.closeReturn, index: index))
    watchNewScripts(chain)
    store()
    return keys
  }

  /// Another store has a channel of this index (``Wallet/channelIndexUsed(_:)``).
  public func channelIndexUsed(_ index: UInt32) throws(WalletError) {
    try wallet.channelIndexUsed(index)
    isDirty = true
  }

  /// A new address. The effects store and watch it.
  public func freshReceiveScript(_ chain: some WalletChain) throws(WalletError) -> [UInt8] {
    let script = try wallet.freshReceiveScript()
    watchNewScripts(chain)
    store()
    return script
  }

  /// Builds a payment
  /// (``Wallet/buildTransaction(outputs:feeRateSatPerKvB:random:includesUnconfirmed:)``). Without a
  /// reservation, reserved coins are not used.
  public func build(
    outputs: [TransactionOutput], feeRateSatPerKvB: UInt64,
    from reservation: WalletReservation? = nil,
    _ chain: some WalletChain
  ) throws(WalletError) -> Transaction {
    try build(reservation, chain) { (wallet, random) throws(WalletError) in
      try wallet.buildTransaction(
        outputs: outputs, feeRateSatPerKvB: feeRateSatPerKvB, random: random)
    }
  }

  /// Builds one funding for several channels (``Wallet/buildFunding(_:feeRateSatPerKvB:random:)``).
  public func buildFunding(
    _ channels: [ChannelFunding], feeRateSatPerKvB: UInt64,
    from reservation: WalletReservation? = nil, _ chain: some WalletChain
  ) throws(WalletError) -> Transaction {
    try build(reservation, chain) { (wallet, random) throws(WalletError) in
      try wallet.buildFunding(channels, feeRateSatPerKvB: feeRateSatPerKvB, random: random)
    }
  }

  /// Pays all spendable coins to one script. Throws `insufficientFunds` while anything is reserved.
  public func buildSweep(
    to script: [UInt8], feeRateSatPerKvB: UInt64, _ chain: some WalletChain
  ) throws(WalletError) -> Transaction {
    try build(nil, chain) { (wallet, random) throws(WalletError) in
      try wallet.buildSweep(to: script, feeRateSatPerKvB: feeRateSatPerKvB, random: random)
    }
  }

  private func build(
    _ reservation: WalletReservation?, _ chain: some WalletChain,
    _ body: (inout Wallet, Bytes32) throws(WalletError) -> Transaction
  ) throws(WalletError) -> Transaction {
    let beforeSat = wallet.balance.spendableSat
    var trial = wallet
    let transaction = try body(&trial, random())
    let afterSat = trial.balance.spendableSat
    let promisedSat = promisedSat(without: reservation)
    if afterSat < promisedSat {
      throw .insufficientFunds(
        neededSat: beforeSat - afterSat + promisedSat, spendableSat: beforeSat)
    }
    wallet = trial
    if let reservation, let keptSat = reserved[reservation] {
      let usedSat = beforeSat > afterSat ? beforeSat - afterSat : 0
      reserved[reservation] = keptSat > usedSat ? keptSat - usedSat : 0
    }
    watchNewScripts(chain)
    store()
    return transaction
  }

  /// Records a transaction that another store kept: its coins are spent, and it is relayed.
  public func noteOwn(_ transaction: Transaction) throws(WalletError) {
    try wallet.noteOwn(transaction)
    isDirty = true
  }

  /// Undoes an unconfirmed transaction that was not relayed, or that peers refuse.
  public func abandon(_ txid: Bytes32) throws(WalletError) {
    try wallet.abandon(txid)
    effects.append(.forget(txid: txid))
    store()
  }
}
