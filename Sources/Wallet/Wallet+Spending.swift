import Bitcoin
import Bytes
import Channel
import Crypto

/// A channel that a funding opens: its terms, with the wallet's keys of this index.
public struct ChannelFunding: Equatable, Sendable {
  public var terms: ChannelTerms
  public var channelIndex: UInt32

  public init(terms: ChannelTerms, channelIndex: UInt32) {
    self.terms = terms
    self.channelIndex = channelIndex
  }

  /// The channel's output.
  public var output: TransactionOutput {
    TransactionOutput(amountSat: terms.capacitySat, scriptPubKey: terms.lock.scriptPubKey)
  }
}

/// The wallet signs and records each transaction that it builds: the coins are spent, the change is
/// available. Store the wallet, then relay the transaction, or undo it with ``abandon(_:)``. All
/// inputs are segwit, so its id is final.
extension Wallet {
  // MARK: Payments

  /// Builds a payment.
  ///
  /// - Parameters:
  ///   - outputs: any number; the change is inserted at a position chosen from `random`.
  ///   - feeRateSatPerKvB: ``FeeRate/minSatPerKvB`` to ``FeeRate/maxSatPerKvB``.
  ///   - random: 32 fresh random bytes. Signatures are secure even if they are weak.
  ///   - includesUnconfirmed: whether the wallet's own unconfirmed change may be spent if confirmed
  ///     coins do not suffice.
  public mutating func buildTransaction(
    outputs: [TransactionOutput], feeRateSatPerKvB: UInt64, random: Bytes32,
    includesUnconfirmed: Bool = true
  ) throws(WalletError) -> Transaction {
    let draft = TransactionDraft(
      outputs: outputs, feeRateSatPerKvB: feeRateSatPerKvB,
      includesUnconfirmed: includesUnconfirmed)
    return try build(draft, random: random)
  }

  /// Builds one transaction that opens channels, with the backup from which the phrase restores
  /// them (``ChannelBackup``). It has change if the coins allow, because only a child can speed it
  /// up: every payment of its channels commits to its id.
  ///
  /// Throws `tooManyChannels` if nodes of the network would not relay the backup, and
  /// `foreignChannel` for terms whose publisher or return key is not this wallet's.
  public mutating func buildFunding(
    _ channels: [ChannelFunding], feeRateSatPerKvB: UInt64, random: Bytes32
  ) throws(WalletError) -> Transaction {
    let limit = Wallet.maxChannels(network)
    if channels.count > limit {
      throw .tooManyChannels(count: channels.count, limit: limit)
    }
    var entries: [ChannelBackup.Entry] = []
    for channel in channels {
      let index = channel.channelIndex
      if index > WalletKeys.maxChannelIndex { throw .foreignChannel(index: index) }
      let publisherKey = try keys.derivedKey(.channel, index: index)
      let returnKey = try keys.derivedKey(.closeReturn, index: index)
      if publisherKey != channel.terms.publisherKey || returnKey != channel.terms.returnKey {
        throw .foreignChannel(index: index)
      }
      entries.append(
        ChannelBackup.Entry(
          providerKey: channel.terms.providerKey, expiryHeight: channel.terms.expiryHeight,
          channelIndex: index))
    }
    let draft = TransactionDraft(
      outputs: channels.map(\.output), backup: entries, feeRateSatPerKvB: feeRateSatPerKvB,
      wantsChange: true)
    return try build(draft, random: random)
  }

  /// The most channels that one funding can open on this network.
  public static func maxChannels(_ network: Network) -> Int {
    min(
      ChannelBackup.maxChannels(relayBytes: ChannelBackup.relayBytes(network)),
      TransactionDraft.maxChannels)
  }

  /// Pays all spendable coins, less the fee, to one script.
  public mutating func buildSweep(
    to script: [UInt8], feeRateSatPerKvB: UInt64, random: Bytes32
  ) throws(WalletError) -> Transaction {
    let coins = unspentCoins.filter { isSpendable($0) }
    let draft = try TransactionDraft.sweep(
      coins, to: script, feeRateSatPerKvB: feeRateSatPerKvB)
    return try finish(draft.outputs, coins, random: random)
  }

  private mutating func build(
    _ draft: TransactionDraft, random: Bytes32
  ) throws(WalletError) -> Transaction {
    let selection = try draft.select(
      confirmed: book.coins.values.filter { isSpendable($0) && $0.height != nil },
      unconfirmed: book.coins.values.filter { isSpendable($0) && $0.height == nil })
    var outputs = draft.allOutputs
    if let changeSat = selection.changeSat {
      let change = TransactionOutput(
        amountSat: changeSat, scriptPubKey: try freshScript(.change))
      outputs.insert(change, at: Int(random[0]) % (outputs.count + 1))
    }
    if !draft.backup.isEmpty {
      draft.encrypt(
        &outputs, firstInput: selection.coins[0].outPoint, secret: keys.backupSecret)
    }
    return try finish(outputs, selection.coins, random: random)
  }

  // MARK: Channels and children

  /// The refund of an expired channel to a fresh address of the wallet.
  public mutating func buildRefund(
    of channel: LockedChannel, feeRateSatPerKvB: UInt64
  ) throws(WalletError) -> Transaction {
    try FeeRate.check(feeRateSatPerKvB)
    let secret = try keys.derivedSecret(.channel, index: channel.channelIndex)
    let script = try freshScript(.change)
    let transaction: Transaction
    do {
      transaction = try RefundTransaction.build(
        channel.lock, capacitySat: channel.capacitySat, funding: channel.outPoint, to: script,
        feeRateSatPerKvB: feeRateSatPerKvB, secret: secret)
    } catch { throw .refundIsDust }
    try noteOwn(transaction)
    return transaction
  }

  /// A transaction that spends `coins` to a fresh address of the wallet and pays exactly `feeSat`.
  mutating func buildChild(
    of coins: [WalletCoin], feeSat: UInt64, random: Bytes32
  ) throws(WalletError) -> Transaction {
    var sum: UInt64 = 0
    for coin in coins { sum += coin.amountSat }
    if sum < feeSat + Amount.dustSat {
      throw .insufficientFunds(neededSat: feeSat + Amount.dustSat, spendableSat: sum)
    }
    let output = TransactionOutput(
      amountSat: sum - feeSat, scriptPubKey: try freshScript(.change))
    return try finish([output], coins, random: random)
  }

  /// A replacement of an unconfirmed transaction: its coins and one more, its outputs and change.
  mutating func buildReplacement(
    of txid: Bytes32, _ outputs: [TransactionOutput], _ coins: [WalletCoin], changeSat: UInt64,
    random: Bytes32
  ) throws(WalletError) -> Transaction {
    drop(txid)
    let change = TransactionOutput(
      amountSat: changeSat, scriptPubKey: try freshScript(.change))
    var all = outputs
    all.insert(change, at: Int(random[0]) % (outputs.count + 1))
    return try finish(all, coins, random: random)
  }

  /// Adds the inputs, signs, and records the transaction.
  private mutating func finish(
    _ outputs: [TransactionOutput], _ coins: [WalletCoin], random: Bytes32
  ) throws(WalletError) -> Transaction {
    var transaction = Transaction(inputs: [], outputs: outputs)
    var spent: [TransactionOutput] = []
    for coin in coins {
      let isLocked = coin.path.chain == .closeReturn
      transaction.inputs.append(
        TransactionInput(
          previous: coin.outPoint, sequence: isLocked ? ReturnScript.sequence : 0xffff_fffd))
      spent.append(
        TransactionOutput(amountSat: coin.amountSat, scriptPubKey: try keys.script(coin.path)))
    }
    for (index, coin) in coins.enumerated() {
      transaction.inputs[index].witness = try keys.witness(
        transaction, inputIndex: index, spent: spent, path: coin.path, random: random)
    }
    try noteOwn(transaction)
    return transaction
  }
}
