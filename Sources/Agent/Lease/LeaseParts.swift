import Bytes
import Market

/// What every phase of a lease works with.
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

  /// Puts what changed of the tasks on disk, in one commit, before anything that follows.
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
