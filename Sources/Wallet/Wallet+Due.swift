import Bitcoin
import Bytes

/// A transaction that the wallet made automatically. To be relayed once the wallet is stored.
public struct WalletDeed: Equatable, Sendable {
  public enum Kind: Equatable, Sendable {
    /// The coins of an expired channel were refunded.
    case refund(OutPoint, capacitySat: UInt64)
    /// A channel was closed with the provider's signature, as the receipt allows.
    case close(OutPoint, capacitySat: UInt64)
    /// A child pays for its parent.
    case spedUp(Bytes32, feeSat: UInt64)
    /// A replacement with a higher fee. Used for a payment without an output of the wallet's, which
    /// a child cannot speed up.
    case replaced(Bytes32, feeSat: UInt64)
  }

  public var kind: Kind
  public var transaction: Transaction
}

/// Automatic transactions.
extension Wallet {
  /// Refunds expired channels, sends the closes that are held, and speeds up stuck transactions:
  /// with children, or by replacing a payment that has no output of the wallet's. A funding and the
  /// transactions that it spends are never replaced: every payment of its channels commits to its
  /// id.
  ///
  /// - Parameters:
  ///   - heldCloses: complete closes, by channel: a channel that has one is closed, not refunded.
  ///   - feeRateSatPerKvB: the current fee rate.
  public mutating func takeDue(
    heldCloses: [OutPoint: Transaction], feeRateSatPerKvB: UInt64, random: () -> Bytes32
  ) throws(WalletError) -> [WalletDeed] {
    guard let scannedHeight else { return [] }
    let rate = min(max(feeRateSatPerKvB, FeeRate.minSatPerKvB), FeeRate.maxSatPerKvB)
    var deeds: [WalletDeed] = []
    for channel in channels where channel.fundingHeight != nil {
      if let close = heldCloses[channel.outPoint] {
        if !(try send(close, of: channel)) { continue }
        deeds.append(
          WalletDeed(
            kind: .close(channel.outPoint, capacitySat: channel.capacitySat), transaction: close))
      } else if channel.spend == nil, channel.isExpired(atHeight: scannedHeight),
        let refund = try refund(of: channel, feeRateSatPerKvB: rate)
      {
        deeds.append(
          WalletDeed(
            kind: .refund(channel.outPoint, capacitySat: channel.capacitySat), transaction: refund))
      }
    }
    return deeds + (try speedUp(feeRateSatPerKvB: rate, random: random))
  }

  /// False if the close is pending already, or too late. A close of a higher rung replaces a
  /// pending one.
  private mutating func send(
    _ close: Transaction, of channel: LockedChannel
  ) throws(WalletError) -> Bool {
    if !close.inputs.contains(where: { $0.previous == channel.outPoint }) { return false }
    if let spend = channel.spend {
      if spend.kind != .close || spend.height != nil || spend.txid == close.txid { return false }
      let paidSat = transaction(spend.txid)?.transaction?.totalOutputSat ?? 0
      if (close.totalOutputSat ?? 0) >= paidSat { return false }
      drop(spend.txid)
    }
    try noteOwn(close)
    return true
  }

  /// Uses the least fee rate if the channel holds too little for the wanted one; nil if even that
  /// is too much.
  private mutating func refund(
    of channel: LockedChannel, feeRateSatPerKvB: UInt64
  ) throws(WalletError) -> Transaction? {
    for rate in [feeRateSatPerKvB, FeeRate.minSatPerKvB] {
      do {
        // A failed attempt must not use up an address.
        var trial = self
        let refund = try trial.buildRefund(of: channel, feeRateSatPerKvB: rate)
        self = trial
        return refund
      } catch {
        if error != .refundIsDust { throw error }
      }
    }
    return nil
  }

  // MARK: Children

  /// Speeding up costs at most this part (1/4) of the largest sum of outputs that it speeds up.
  private static let mostPart: UInt64 = 4

  private mutating func speedUp(
    feeRateSatPerKvB: UInt64, random: () -> Bytes32
  ) throws(WalletError) -> [WalletDeed] {
    var deeds: [WalletDeed] = []
    var tried = Set<Bytes32>()
    while true {
      let packages = PendingPackages(book.entries.values)
      let stuck = packages.stuck(
        scannedHeight: scannedHeight ?? 0, rateSatPerKvB: feeRateSatPerKvB)
      // One child may help several; a transaction that it did not help is not tried again.
      guard let txid = stuck.first(where: { !tried.contains($0) }) else { return deeds }
      tried.insert(txid)
      if let plan = planChild(of: txid, packages, feeRateSatPerKvB) {
        let child = try buildChild(of: plan.coins, feeSat: plan.feeSat, random: random())
        deeds.append(WalletDeed(kind: .spedUp(txid, feeSat: plan.feeSat), transaction: child))
      } else if let deed = try replace(txid, packages, feeRateSatPerKvB, random: random()) {
        tried.insert(deed.transaction.txid)
        deeds.append(deed)
      }
    }
  }

  private func planChild(
    of txid: Bytes32, _ packages: PendingPackages, _ feeRateSatPerKvB: UInt64
  ) -> (coins: [WalletCoin], feeSat: UInt64)? {
    let descendants = Set(packages.descendants(of: txid))
    // The largest own output that is unspent.
    let coin = book.coins.values
      .filter { descendants.contains($0.outPoint.txid) && isSpendable($0) }
      .max { ($0.amountSat, $1.outPoint.index) < ($1.amountSat, $0.outPoint.index) }
    guard let coin else { return nil }
    let package = packages.package(of: coin.outPoint.txid)
    if package.count > PendingPackages.maxAncestors { return nil }
    var coins = [coin]
    var spare = book.coins.values.filter { $0.height != nil && isSpendable($0) }
      .sorted { $0.amountSat > $1.amountSat }
    while true {
      // Version, lock time, counts and marker; one P2TR output.
      var weight: UInt64 = 42 + CoinSelection.changeWeight
      var sum: UInt64 = 0
      for coin in coins {
        weight += CoinSelection.inputWeight(coin.path.chain)
        sum += min(coin.amountSat, Amount.maxSat)
      }
      let childBytes = (weight + 3) / 4
      let wanted = FeeRate.feeSat(
        virtualBytes: package.virtualBytes + childBytes, rateSatPerKvB: feeRateSatPerKvB)
      let least = FeeRate.feeSat(virtualBytes: childBytes, rateSatPerKvB: feeRateSatPerKvB)
      let feeSat = max(least, wanted > package.feeSat ? wanted - package.feeSat : 0)
      if feeSat > package.paidSat / Wallet.mostPart { return nil }
      if sum >= feeSat + Amount.dustSat { return (coins, feeSat) }
      if spare.isEmpty || coins.count >= 10 { return nil }
      coins.append(spare.removeFirst())
    }
  }

  // MARK: Replacing

  /// The fee rate that a replacement pays in addition, for its own relay (BIP125, rule 4; Bitcoin
  /// Core up to version 29).
  private static let incrementalSatPerKvB: UInt64 = 1000

  /// Pays the same outputs from the same coins and one more, if no other transaction depends on
  /// this one.
  private mutating func replace(
    _ txid: Bytes32, _ packages: PendingPackages, _ feeRateSatPerKvB: UInt64, random: Bytes32
  ) throws(WalletError) -> WalletDeed? {
    guard let former = transaction(txid)?.transaction, let member = packages.members[txid],
      member.parents.isEmpty, packages.descendants(of: txid) == [txid]
    else { return nil }
    let own = former.inputs.compactMap { book.coins[$0.previous] }
    let givesBack = book.coins.keys.contains { $0.txid == txid }
    // Only a transaction that spends own coins only, and has no output of the wallet or of a
    // channel.
    if own.count != former.inputs.count || givesBack { return nil }
    if channelBook.channels.keys.contains(where: { $0.txid == txid }) { return nil }
    let spare = book.coins.values.filter { $0.height != nil && isSpendable($0) }
      .max { ($0.amountSat, $1.outPoint.index) < ($1.amountSat, $0.outPoint.index) }
    guard let spare else { return nil }
    let coins = own + [spare]
    let bytes = Transaction(inputs: [], outputs: former.outputs).bytes().count
    let request = CoinSelection.Request(
      paidSat: member.paidSat, baseWeight: UInt64(bytes * 4 + 2),
      feeRateSatPerKvB: feeRateSatPerKvB)
    let least = CoinSelection.Request(
      paidSat: 0, baseWeight: request.baseWeight, feeRateSatPerKvB: Wallet.incrementalSatPerKvB)
    let feeSat = max(
      request.feeSat(coins, hasChange: true),
      member.feeSat + least.feeSat(coins, hasChange: true))
    let sum = coins.reduce(0) { $0 + min($1.amountSat, Amount.maxSat) }
    if feeSat > member.paidSat / Wallet.mostPart
      || sum < member.paidSat + feeSat + Amount.dustSat
    {
      return nil
    }
    let transaction = try buildReplacement(
      of: txid, former.outputs, coins, changeSat: sum - member.paidSat - feeSat, random: random)
    return WalletDeed(kind: .replaced(txid, feeSat: feeSat), transaction: transaction)
  }
}
