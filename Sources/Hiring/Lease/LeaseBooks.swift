import Bytes
import Channel
import Market

/// The provider violated the protocol: reports are no longer accepted and payments stop.
struct LeaseFault: Error, Equatable {
  let reason: String
}

/// Statements and the receipt, which both sides sign. Also stores the lease's state.
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
  /// The last statement signed by both sides.
  private(set) var statement: Signed<Statement>?
  /// Whether ``statement`` is the receipt.
  private(set) var hasReceipt = false
  /// Why reports and payments stopped; empty while the provider is trusted.
  private(set) var fault = ""
  /// A report exceeded the allowance after the end; logged once.
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

  /// The amount owed: 0 before the lease opened.
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

  /// Accepts a usage report. Returns false if it exceeds the allowance after the end: then it is
  /// paid up to the allowance, and not signed.
  @discardableResult
  func believe(_ usage: LeaseUsage, owedSat: UInt64) throws(LeaseFault) -> Bool {
    switch money.reported(usage, owedSat: owedSat) {
    case .believed: return true
    case .capped:
      if !isCapped {
        context.warning(label + "use reported beyond the stop grace is not paid")
      }
      isCapped = true
      return false
    case .implausible(let reason): throw LeaseFault(reason: "implausible usage: " + reason.text)
    }
  }

  /// Signs a statement and returns it; nil if it is not signed. The caller stores it, then calls
  /// ``sayStatementSigned()``.
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

  /// Signs the receipt and stores the provider's closes. Returns whether it was signed; the caller
  /// stores it.
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

  /// Records that the provider settled a lease.
  func noteSettled() { providers.change { $0.settled(provider) } }

  /// Records what remains unpaid at the end of the lease.
  func noteDebt() {
    if openedUnixSeconds == 0 {
      if let debt = contract.debt { providers.change { $0.owes(debt, to: provider) } }
    } else if isTrusted && !money.isPaidUp {
      let debt = Debt(lease: contract.id, amountSat: money.owedSat - money.paidSat)
      providers.change { $0.owes(debt, to: provider) }
    }
  }
}
