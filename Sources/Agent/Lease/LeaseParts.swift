import Bytes
import Market

/// The parts of a lease that its phases use.
struct LeaseParts {
  let key: LeaseKey
  let call: Call
  let books: LeaseBooks
  let work: LeaseWork
  let context: AgentContext

  var contract: Contract { books.contract }
  var label: String { "lease " + books.id.leaseText + ": " }
  var nowMs: UInt64 { context.nowMs }
  var holdMs: UInt64 { UInt64(contract.holdMs) }

  /// Stores changed task rows in one commit, ahead of later effects.
  func storeRows() {
    if !work.hasRows { return }
    let rows = work.takeRows(books.sums(work))
    if !rows.isEmpty { context.emit(.storeRows(contract: books.id, rows)) }
  }

  func say(_ standing: Standing, _ text: String) {
    if !call.isReady { return }
    call.say(
      .standing(standing, text: Array(Array(text.utf8).prefix(Limits.maxTextBytes))))
  }
}
