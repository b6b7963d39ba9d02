import Bytes
import Market

/// The announcements seen. Bounded: under a flood, confirmed announcements are kept before
/// unconfirmed ones, and better-paid before others.
struct AnnouncementBook {
  static let capacity = 256
  /// The first retry delay after an unanswered call; it doubles up to 64 times this value.
  static let firstDelayMs: UInt64 = 1000
  /// The first retry delay after a refusal.
  static let refusedDelayMs: UInt64 = 5000
  static let maxDoublings: UInt64 = 6

  /// How a call for an announcement ended.
  enum CallEnd {
    /// No answer, or the connection broke.
    case unanswered
    /// One side refused the other.
    case refused
    /// The resulting lease is over.
    case served
    /// No call can succeed.
    case hopeless
  }

  private enum State: Equatable {
    case waits(untilMs: UInt64)
    /// In use by a call or a lease.
    case taken
    /// Kept, so that it is not reported as new when seen again.
    case dismissed
  }

  private struct Entry {
    let txid: Bytes32
    let announcement: Announcement
    /// Confirmed in a block, so the publisher paid a fee.
    var isConfirmed: Bool
    var state: State
    var failures: UInt64 = 0

    var isWaiting: Bool {
      if case .waits = state { return true }
      return false
    }
  }

  private var entries: [Entry] = []

  /// The result of adding an announcement.
  enum News {
    case isNew
    /// It is already in the book.
    case isKnown
    /// The book is full of better ones.
    case isDropped
  }

  /// - Parameter isFit: whether this provider matches it.
  mutating func add(
    _ txid: Bytes32, _ announcement: Announcement, isConfirmed: Bool, isFit: Bool
  ) -> News {
    for index in entries.indices where entries[index].txid == txid {
      if isConfirmed { entries[index].isConfirmed = true }
      return .isKnown
    }
    let entry = Entry(
      txid: txid, announcement: announcement, isConfirmed: isConfirmed,
      state: isFit ? .waits(untilMs: 0) : .dismissed)
    if entries.count >= AnnouncementBook.capacity {
      guard let worst = worst(), isBetter(entry, entries[worst]) else { return .isDropped }
      entries.remove(at: worst)
    }
    entries.append(entry)
    return .isNew
  }

  /// Removes expired announcements that no call or lease uses.
  mutating func forgetExpired(atHeight height: UInt32) {
    entries.removeAll { $0.announcement.expiryHeight <= height && $0.state != .taken }
  }

  /// The call or lease for it is over.
  mutating func released(_ txid: Bytes32, _ end: CallEnd, nowMs: UInt64, atHeight height: UInt32) {
    guard let index = entries.firstIndex(where: { $0.txid == txid }) else { return }
    if entries[index].announcement.expiryHeight <= height {
      entries.remove(at: index)
      return
    }
    let delayMs: UInt64
    switch end {
    case .unanswered: delayMs = AnnouncementBook.firstDelayMs
    case .refused: delayMs = AnnouncementBook.refusedDelayMs
    case .served:
      entries[index].failures = 0
      delayMs = AnnouncementBook.firstDelayMs
    case .hopeless:
      entries[index].state = .dismissed
      return
    }
    let doublings = min(entries[index].failures, AnnouncementBook.maxDoublings)
    entries[index].state = .waits(untilMs: nowMs + delayMs << doublings)
    entries[index].failures += 1
  }

  /// Marks it as used by a restored lease.
  mutating func take(_ txid: Bytes32) {
    for index in entries.indices where entries[index].txid == txid {
      entries[index].state = .taken
    }
  }

  /// When ``takeBest(nowMs:where:)`` may return another one; `UInt64.max` if none waits. One that
  /// is due but could not be called is checked again after ``uncallableMs``.
  func nextCallMs(nowMs: UInt64) -> UInt64 {
    var earliest = UInt64.max
    for entry in entries {
      guard case .waits(let untilMs) = entry.state else { continue }
      earliest = min(earliest, untilMs > nowMs ? untilMs : nowMs + AnnouncementBook.uncallableMs)
    }
    return earliest
  }

  private static let uncallableMs: UInt64 = 30_000

  /// Takes the best due announcement that `isCallable` accepts: confirmed before unconfirmed, then
  /// the highest price ceiling, then the first seen.
  mutating func takeBest(
    nowMs: UInt64, where isCallable: (Announcement, _ isConfirmed: Bool) -> Bool
  ) -> (txid: Bytes32, announcement: Announcement, isConfirmed: Bool)? {
    var best: Int?
    for index in entries.indices {
      guard case .waits(let untilMs) = entries[index].state, untilMs <= nowMs,
        isCallable(entries[index].announcement, entries[index].isConfirmed)
      else { continue }
      if let current = best, !isBetter(entries[index], entries[current]) { continue }
      best = index
    }
    guard let best else { return nil }
    entries[best].state = .taken
    let entry = entries[best]
    return (entry.txid, entry.announcement, entry.isConfirmed)
  }

  private func isBetter(_ left: Entry, _ right: Entry) -> Bool {
    if left.isConfirmed != right.isConfirmed { return left.isConfirmed }
    if left.isWaiting != right.isWaiting { return left.isWaiting }
    return left.announcement.priceCeilingSatPerHour > right.announcement.priceCeilingSatPerHour
  }

  /// The entry to evict: never one in use by a call or a lease.
  private func worst() -> Int? {
    var worst: Int?
    for index in entries.indices where entries[index].state != .taken {
      if let current = worst, !isBetter(entries[current], entries[index]) { continue }
      worst = index
    }
    return worst
  }
}
