import Bitcoin
import Bytes
import Channel
import Market
import Wallet

/// The channels of a lease, filled in order of expiry. A channel's state is stored before a payment
/// or close that depends on it is sent.
final class ChannelSet {
  /// A channel event for the lease.
  enum Event: Equatable {
    case spent(number: Int, ChannelSpend, height: UInt32)
    case fundingConflicted(number: Int)
  }

  private let contract: Contract
  private let context: HiringContext
  private let link: LeaseLink
  private var channels: [PublisherChannel] = []
  /// Whether a close was seen, in a block or unconfirmed.
  private var closeIsSeen: [Bool] = []
  /// Whether this side broadcast a close.
  private var closeIsSent: [Bool] = []
  private var events: [Event] = []

  init(_ contract: Contract, _ link: LeaseLink, _ context: HiringContext) {
    self.contract = contract
    self.link = link
    self.context = context
  }

  // MARK: Making and restoring

  /// Adds the next channel, unfunded, and stores its state.
  func add(_ terms: ChannelTerms, channelIndex: UInt32) throws {
    let secret = try context.secrets.channelSecret(channelIndex)
    append(try PublisherChannel(terms: terms, secret: secret))
  }

  func restore(_ state: [UInt8], channelIndex: UInt32) throws(HiringError) {
    let secret: Bytes32
    do throws(WalletError) { secret = try context.secrets.channelSecret(channelIndex) } catch {
      throw .wallet(error)
    }
    do throws(ChannelError) {
      append(try PublisherChannel(restoring: state, secret: secret))
    } catch { throw .channel(number: UInt8(channels.count), error) }
  }

  private func append(_ channel: PublisherChannel) {
    channels.append(channel)
    closeIsSeen.append(channel.spend != nil)
    closeIsSent.append(false)
    drain(channels.count - 1)
  }

  func nextEvent() -> Event? { events.isEmpty ? nil : events.removeFirst() }

  private func drain(_ number: Int) {
    while let effect = channels[number].nextEffect() {
      switch effect {
      case .store(let state):
        context.emit(
          .storeChannel(
            id: ChannelId.of(contract: contract.id, number: UInt8(number)),
            sequence: channels[number].last?.sequence ?? 0, amountSat: channels[number].paidSat,
            state))
      case .send(let payment): link.say(.payment(channel: UInt8(number), payment: payment))
      case .broadcast(let transaction):
        closeIsSent[number] = transaction.txid != channels[number].funding?.txid
        context.emit(.broadcast(transaction))
      case .fundingConflicted: events.append(.fundingConflicted(number: number))
      case .closeIsDue: close(number)
      // The wallet broadcasts refunds (``Treasury/takeDue(heldCloses:)``).
      case .refundIsDue: break
      case .closed(let spend, let height):
        closeIsSeen[number] = true
        events.append(.spent(number: number, spend, height: height))
      }
    }
  }

  // MARK: Queries

  var count: Int { channels.count }
  subscript(number: Int) -> PublisherChannel { channels[number] }
  var lastTerms: ChannelTerms { channels[channels.count - 1].terms }
  var terms: [ChannelTerms] { channels.map(\.terms) }

  /// The sum of the payments signed so far, over all channels.
  var paidSat: UInt64 { channels.reduce(0) { $0 + $1.paidSat } }
  var isFunded: Bool { channels.first?.funding != nil }

  /// The amounts as named in statements.
  var paid: [Statement.Paid] {
    channels.indices.filter { channels[$0].paidSat > 0 }.map {
      Statement.Paid(channel: UInt8($0), amountSat: channels[$0].paidSat)
    }
  }

  /// The amounts as named in a lease state message.
  var state: [LeaseState.Paid] {
    channels.indices.filter { channels[$0].funding != nil }.map {
      LeaseState.Paid(
        channel: UInt8($0), sequence: channels[$0].last?.sequence ?? 0,
        amountSat: channels[$0].paidSat)
    }
  }

  /// Whether every funded channel is spent in a block.
  var areAllSpent: Bool {
    let funded = channels.filter { $0.funding != nil && $0.conflict == nil }
    return funded.allSatisfy { $0.spend != nil }
  }

  /// Whether a close of every funded channel was seen, or broadcast by this side.
  var areAllClosing: Bool {
    channels.indices.allSatisfy {
      channels[$0].funding == nil || channels[$0].conflict != nil || closeIsSeen[$0]
        || closeIsSent[$0]
    }
  }

  /// Whether a funding has the confirmations that the contract requires.
  func isConfirmed(_ number: Int) -> Bool {
    guard let height = channels[number].fundingHeight else { return false }
    return context.tipHeight + 1 >= height + contract.fundingDepth
  }

  // MARK: Funding

  /// Stores the funding transaction; the caller relays it.
  func fund(_ number: Int, _ transaction: Transaction) throws(ChannelError) {
    try channels[number].fundingBuilt(transaction)
    drain(number)
  }

  func sayFunding(_ number: Int) {
    guard let transaction = channels[number].fundingTransaction,
      let funding = channels[number].funding
    else { return }
    link.say(
      .funding(
        channel: UInt8(number), transaction: transaction.bytes(), output: funding.index))
  }

  // MARK: Paying

  /// Payments move to the next channel at twice the close margin before expiry.
  private func takesPayments(_ number: Int) -> Bool {
    if !channels[number].isOpen { return false }
    let terms = channels[number].terms
    if context.tipHeight >= terms.closeHeight { return false }
    let isLate = context.tipHeight + 2 * terms.closeMarginBlocks >= terms.expiryHeight
    return !isLate || !channels[(number + 1)...].contains { $0.isOpen }
  }

  private var fill: [ChannelFill.Channel] {
    channels.indices.map {
      ChannelFill.Channel(
        paidSat: channels[$0].paidSat, maxPayableSat: channels[$0].terms.maxPayableSat,
        takesPayments: takesPayments($0))
    }
  }

  /// The amount that all channels can still pay, in sat.
  var roomSat: UInt64 { ChannelFill.roomSat(fill) }

  /// Signs payments until `owedSat` is paid or no room is left. Returns the amount and the number
  /// of the new payments.
  func pay(_ owedSat: UInt64) -> (sat: UInt64, payments: UInt64) {
    let before = paidSat
    var payments: UInt64 = 0
    while let next = ChannelFill.next(
      owedSat: owedSat, fill, firstPaymentSat: contract.firstPaymentSat)
    {
      do { try channels[next.place].pay(amountSat: next.totalSat) } catch {
        context.warning("no payment: " + error.message)
        break
      }
      payments += 1
      drain(next.place)
    }
    return (paidSat - before, payments)
  }

  /// After a reconnection: resends fundings and payments that the provider lacks.
  func compared(_ theirs: [LeaseState.Paid]) {
    for number in channels.indices where channels[number].funding != nil {
      if channels[number].spend != nil { continue }
      sayFunding(number)
      let held = theirs.first { $0.channel == UInt8(number) }
      if (held?.sequence ?? 0) < (channels[number].last?.sequence ?? 0) {
        channels[number].resend()
        drain(number)
      }
    }
  }

  // MARK: Closing

  /// Stores the provider's signatures of a close.
  func closeReceived(_ close: SignedClose) throws(ChannelError) {
    let number = Int(close.channel)
    if number >= channels.count { throw ChannelError.wrongPhase("there is no such channel") }
    try channels[number].closeReceived(close.signatures)
    drain(number)
  }

  /// Broadcasts the close of a channel if the provider signed it.
  func close(_ number: Int) {
    if channels[number].spend != nil || channels[number].closeSignatures == nil { return }
    do { try channels[number].close(feeRateSatPerKvB: context.feeRateSatPerKvB) } catch {
      context.warning("channel \(number) cannot be closed: " + error.message)
    }
    drain(number)
  }

  /// Which provider-signed closes this side broadcasts.
  enum Closing {
    /// Closes without payout, which the provider has no reason to broadcast.
    case unpaid
    /// Also closes that were not seen on the network.
    case unseen
    /// Also closes that were seen, but are not in a block.
    case unconfirmed
  }

  func close(_ which: Closing) {
    for number in channels.indices {
      guard let held = channels[number].closeSignatures, channels[number].spend == nil else {
        continue
      }
      switch which {
      case .unpaid where held.amountSat > 0: continue
      case .unseen where held.amountSat > 0 && closeIsSeen[number]: continue
      case .unpaid, .unseen, .unconfirmed: close(number)
      }
    }
  }

  /// Complete closes of expired channels, broadcast instead of refunds.
  var heldCloses: [(OutPoint, Transaction)] {
    channels.compactMap { channel in
      guard let funding = channel.funding, channel.spend == nil,
        let held = channel.closeSignatures, held.amountSat >= Amount.dustSat,
        context.tipHeight >= channel.terms.expiryHeight,
        let rung = held.signatures.lastIndex(where: { !$0.isEmpty }),
        let close = try? channel.closingTransaction(rung: rung)
      else { return nil }
      return (funding, close)
    }
  }

  // MARK: The chain

  func tipChanged() {
    for number in channels.indices {
      channels[number].tipChanged(height: context.tipHeight)
      drain(number)
    }
  }

  func blockMatched(height: UInt32, _ block: Block) {
    for transaction in block.transactions {
      for number in channels.indices where channels[number].funding != nil {
        look(at: transaction, number, height)
        drain(number)
      }
    }
  }

  private func look(at transaction: Transaction, _ number: Int, _ height: UInt32) {
    guard let funding = channels[number].fundingTransaction,
      let outPoint = channels[number].funding
    else { return }
    if transaction.txid == outPoint.txid {
      channels[number].fundingConfirmed(height: height)
    } else if transaction.inputs.contains(where: { input in
      funding.inputs.contains { $0.previous == input.previous }
    }) {
      channels[number].fundingConflicted(by: transaction.txid, height: height)
    }
    channels[number].spendSeen(transaction, height: height)
  }

  /// An unconfirmed transaction. Its signatures are not checked: only a block settles the channel,
  /// and a refund waits for the expiry anyway.
  func transactionSeen(_ transaction: Transaction) {
    for number in channels.indices {
      guard let funding = channels[number].funding,
        let spend = transaction.inputs.first(where: { $0.previous == funding })
      else { continue }
      if spend.witness.count == 4 { closeIsSeen[number] = true }
    }
  }

  func blocksDisconnected(toHeight: UInt32) {
    for number in channels.indices {
      channels[number].blocksDisconnected(fromHeight: toHeight + 1)
      if channels[number].spend == nil { closeIsSeen[number] = false }
      drain(number)
    }
  }
}
