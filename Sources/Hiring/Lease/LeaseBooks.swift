import Bytes
import Channel
import Market

/// The provider broke a rule: nothing more of it is believed or paid.
struct LeaseFault: Error, Equatable {
  let reason: String
}

/// What both sides sign of a lease's use: statements, and in the end the receipt. It keeps where the lease
/// stands on the disk.
final class LeaseBooks {
  private let contract: Contract
  private let money: LeaseMoney
  private let tasks: LeaseTasks
  private let link: LeaseLink
  private let providers: Providers
  private let context: HiringContext
  private let label: String

  /// 0 before the lease opened.
  private(set) var openedUnixSeconds: UInt64 = 0
  /// The last that both signed.
  private(set) var statement: Signed<Statement>?
  /// The statement is the receipt.
  private(set) var hasReceipt = false
  /// Why nothing is believed or paid any more; empty while the provider is trusted.
  private(set) var fault = ""
  /// More use was reported than the end of the lease allows.
  private var isCapped = false

  init(
    _ money: LeaseMoney, _ tasks: LeaseTasks, _ link: LeaseLink, _ providers: Providers,
    _ context: HiringContext, label: String, restoring progress: LeaseProgress? = nil
  ) {
    contract = money.contract
    self.money = money
    self.tasks = tasks
    self.link = link
    self.providers = providers
    self.context = context
    self.label = label
    guard let progress else { return }
    openedUnixSeconds = progress.openedUnixSeconds
    statement = progress.statement
    hasReceipt = progress.hasReceipt
    fault = progress.fault
  }

  private var provider: Bytes32 { contract.provider }
  var isTrusted: Bool { fault.isEmpty }

  func opened() {
    openedUnixSeconds = context.now.unixSeconds
    money.opened()
  }

  func distrust(_ reason: String) { fault = reason }

  /// What is owed: with a receipt what that says, and before the opening nothing.
  var owedSat: UInt64 { openedUnixSeconds > 0 || hasReceipt ? money.owedSat : 0 }

  // MARK: Disk

  func store(_ stage: LeaseStage) {
    var progress = LeaseProgress(stage: stage)
    progress.openedUnixSeconds = openedUnixSeconds
    progress.storedUnixSeconds = context.now.unixSeconds
    progress.lastTask = tasks.lastTask
    progress.lines = tasks.lines.stored
    progress.usage = money.account.usage
    progress.reservedMs = money.account.reservedMs(context.now)
    progress.isReserved = money.account.isReserved
    progress.usableMs = money.account.usableMs
    progress.payments = money.payments
    progress.fault = fault
    progress.statement = statement
    progress.hasReceipt = hasReceipt
    context.emit(.storeLeaseState(contract: contract.id, progress.encode()))
  }

  // MARK: What the provider reports

  /// False where the report is above what the end of the lease allows: it is paid up to that, and not
  /// signed.
  @discardableResult
  func believe(_ usage: LeaseUsage, owedSat: UInt64) throws(LeaseFault) -> Bool {
    switch money.reported(usage, owedSat: owedSat) {
    case .believed: return true
    case .capped:
      if !isCapped {
        context.warning(label + "more use than the end of the lease allows is not paid")
      }
      isCapped = true
      return false
    case .implausible(let reason): throw LeaseFault(reason: "implausible usage: " + reason.text)
    }
  }

  /// The statement, once it is signed here too; nil where it is not. The caller stores it, and then
  /// answers with ``sayStatementSigned()``.
  func statementReceived(
    _ body: [UInt8], _ signature: [UInt8]
  ) throws(LeaseFault) -> Statement? {
    let statement = try read(body, signature, "statement")
    if !(try believe(statement.usage, owedSat: statement.owedSat)) { return nil }
    try check(statement, isReceipt: false, "statement")
    if self.statement?.body != statement { sign(statement, signature) }
    return statement
  }

  func sayStatementSigned() {
    guard let statement else { return }
    link.say(
      .statementSigned(
        digest: statement.body.digest, publisherSignature: statement.publisherSignature))
  }

  /// True where the receipt is signed here too, and the provider's closes are held. The caller stores it.
  func receiptReceived(
    _ body: [UInt8], _ signature: [UInt8], _ closes: [SignedClose]
  ) throws(LeaseFault) -> Bool {
    let receipt = try read(body, signature, "receipt")
    if !(try believe(receipt.usage, owedSat: receipt.owedSat)) { return false }
    try check(receipt, isReceipt: true, "receipt")
    for close in closes {
      do throws(ChannelError) { try money.channels.closeReceived(close) } catch {
        throw LeaseFault(reason: "receipt: " + error.message)
      }
    }
    sign(receipt, signature)
    hasReceipt = true
    return true
  }

  func sayReceiptSigned() {
    guard let statement, hasReceipt else { return }
    link.say(.receiptSigned(publisherSignature: statement.publisherSignature))
  }

  private func read(
    _ body: [UInt8], _ signature: [UInt8], _ name: String
  ) throws(LeaseFault) -> Statement {
    do throws(MarketError) {
      let statement = try Statement.decode(body)
      try statement.verify(signature, by: provider)
      return statement
    } catch { throw LeaseFault(reason: name + ": " + error.message) }
  }

  private func check(
    _ statement: Statement, isReceipt: Bool, _ name: String
  ) throws(LeaseFault) {
    do throws(MarketError) {
      try StatementCheck.check(
        statement, contract, lines: tasks.lines.received, paid: money.channels.paid,
        isReceipt: isReceipt)
    } catch { throw LeaseFault(reason: name + ": " + error.message) }
  }

  private func sign(_ statement: Statement, _ signature: [UInt8]) {
    self.statement = Signed(
      statement, publisherSignature: statement.sign(context.secrets.identity),
      providerSignature: signature)
  }

  // MARK: The end

  /// The provider finished a lease for this publisher.
  func noteSettled() { providers.change { $0.settled(provider) } }

  /// The lease is over: what was not paid is remembered.
  func noteDebt() {
    if openedUnixSeconds == 0 {
      if let debt = contract.debt { providers.change { $0.owes(debt, to: provider) } }
    } else if isTrusted && !money.isPaidUp {
      let debt = Debt(lease: contract.id, amountSat: money.owedSat - money.paidSat)
      providers.change { $0.owes(debt, to: provider) }
    }
  }
}
