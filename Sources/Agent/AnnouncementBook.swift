import Bytes
import Market

/// The announcements that were seen and suit this machine. Bounded: a flood of announcements costs
/// a little memory, and the best paid ones are kept.
struct AnnouncementBook {
  static let capacity = 256

  private struct Entry {
    let txid: Bytes32
    let announcement: Announcement
    /// Called already: kept so that the same announcement in a block is no news.
    var isTaken: Bool
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

  /// The announcement that may pay most; of equals, the one seen first.
  mutating func takeBest() -> (txid: Bytes32, announcement: Announcement)? {
    var best: Int?
    for index in entries.indices where !entries[index].isTaken {
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
