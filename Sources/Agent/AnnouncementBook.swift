import Bytes
import Market

/// The announcements that were seen and suit this machine. Bounded: a flood of announcements costs
/// a little memory, and the best paid ones are kept.
struct AnnouncementBook {
  static let capacity = 256
  /// A publisher that does not answer is called so often, after one second, two, four, eight.
  static let maxCalls: UInt64 = 5

  private struct Entry {
    let txid: Bytes32
    let announcement: Announcement
    /// Called already: kept so that the same announcement in a block is no news.
    var isTaken: Bool
    /// How often nobody answered, and when it may be called again.
    var unanswered: UInt64 = 0
    var notBeforeMs: UInt64 = 0
  }

  private var entries: [Entry] = []

  /// False when it is known already.
  mutating func add(_ txid: Bytes32, _ announcement: Announcement) -> Bool {
    for entry in entries where entry.txid == txid { return false }
    if entries.count >= AnnouncementBook.capacity { dropWorst() }
    entries.append(Entry(txid: txid, announcement: announcement, isTaken: false))
    return true
  }

  mutating func remove(_ txid: Bytes32) {
    for index in entries.indices where entries[index].txid == txid { entries[index].isTaken = true }
  }

  mutating func forgetExpired(atHeight height: UInt32) {
    entries.removeAll { $0.announcement.expiryHeight <= height }
  }

  /// Nobody answered: others are called meanwhile. False when it was called often enough.
  mutating func postpone(_ txid: Bytes32, nowMs: UInt64) -> Bool {
    for index in entries.indices where entries[index].txid == txid {
      let delayMs = Job.redialMs << entries[index].unanswered
      entries[index].unanswered += 1
      if entries[index].unanswered >= AnnouncementBook.maxCalls { return false }
      entries[index].notBeforeMs = nowMs + delayMs
      entries[index].isTaken = false
      return true
    }
    return false
  }

  /// When ``takeBest(nowMs:)`` may have one; `UInt64.max` when there is none.
  var nextCallMs: UInt64 {
    var earliest = UInt64.max
    for entry in entries where !entry.isTaken { earliest = min(earliest, entry.notBeforeMs) }
    return earliest
  }

  /// The announcement that may pay most of those whose time has come; of equals, the one seen first.
  mutating func takeBest(nowMs: UInt64) -> (txid: Bytes32, announcement: Announcement)? {
    var best: Int?
    for index in entries.indices
    where !entries[index].isTaken && entries[index].notBeforeMs <= nowMs {
      if let current = best,
        entries[current].announcement.priceCeilingSatPerHour
          >= entries[index].announcement.priceCeilingSatPerHour
      {
        continue
      }
      best = index
    }
    guard let best else { return nil }
    entries[best].isTaken = true
    return (entries[best].txid, entries[best].announcement)
  }

  private mutating func dropWorst() {
    var worst = 0
    for index in entries.indices {
      let candidate = entries[index]
      let current = entries[worst]
      if candidate.isTaken != current.isTaken {
        if candidate.isTaken { worst = index }
      } else if candidate.announcement.priceCeilingSatPerHour
        < current.announcement.priceCeilingSatPerHour
      {
        worst = index
      }
    }
    entries.remove(at: worst)
  }
}
