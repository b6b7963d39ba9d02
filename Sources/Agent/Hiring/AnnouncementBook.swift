import Bytes
import Market

/// The announcements that were seen and suit this machine. Bounded: a flood of announcements costs a
/// little memory; what a block has confirmed is kept before rumours, and the best paid before others.
struct AnnouncementBook {
  static let capacity = 256
  /// Publishers are called again after a second, two, four ... until their announcement is over.
  static let firstDelayMs: UInt64 = 1000
  /// A publisher that is there and has no place for this machine is asked less often.
  static let refusedDelayMs: UInt64 = 5000
  static let maxDoublings: UInt64 = 6

  /// How a call for an announcement ended.
  enum CallEnd {
    /// Nobody answered, or the call broke.
    case unanswered
    /// One side did not want the other.
    case refused
    /// A lease came of it, and is over: its place is free again.
    case served
    /// It cannot come to anything.
    case hopeless
  }

  private enum State: Equatable {
    case waits(untilMs: UInt64)
    /// A call or a lease has it.
    case taken
    /// Kept so that it is no news when it comes again.
    case dismissed
  }

  private struct Entry {
    let txid: Bytes32
    let announcement: Announcement
    /// A block holds it: it cost its publisher a fee.
    var isConfirmed: Bool
    var state: State
    var failures: UInt64 = 0

    var isWaiting: Bool {
      if case .waits = state { return true }
      return false
    }
  }

  private var entries: [Entry] = []

  /// What is known of an announcement that was seen.
  enum News {
    case isNew
    /// It was a rumour, or is known.
    case isKnown
    /// There is no room for it.
    case isDropped
  }

  /// - Parameter isFit: false for one that this machine does not suit.
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

  /// Expired ones are forgotten; a lease that came of one needs it no more.
  mutating func forgetExpired(atHeight height: UInt32) {
    entries.removeAll { $0.announcement.expiryHeight <= height && $0.state != .taken }
  }

  /// The call for it is over.
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

  /// A lease of an earlier run has it.
  mutating func take(_ txid: Bytes32) {
    for index in entries.indices where entries[index].txid == txid {
      entries[index].state = .taken
    }
  }

  /// When ``takeBest(nowMs:where:)`` may have one that it does not have now; `UInt64.max` when there is
  /// none. What is due and could not be called is looked at again after a while.
  func nextCallMs(nowMs: UInt64) -> UInt64 {
    var earliest = UInt64.max
    for entry in entries {
      guard case .waits(let untilMs) = entry.state else { continue }
      earliest = min(earliest, untilMs > nowMs ? untilMs : nowMs + AnnouncementBook.uncallableMs)
    }
    return earliest
  }

  private static let uncallableMs: UInt64 = 30_000

  /// The best announcement whose time has come and which `isCallable`: confirmed ones first, of these the
  /// one that may pay most; of equals the one seen first.
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

  /// What makes room: never what a call or a lease has.
  private func worst() -> Int? {
    var worst: Int?
    for index in entries.indices where entries[index].state != .taken {
      if let current = worst, !isBetter(entries[current], entries[index]) { continue }
      worst = index
    }
    return worst
  }
}
