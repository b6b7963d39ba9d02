import Bytes
import Session

/// Streams opened before their task's order arrived. A session sends stream openings before
/// messages.
struct EarlyStreams {
  private struct Entry {
    let id: StreamId
    let opening: StreamOpening
    let untilMs: UInt64
  }

  static let capacity = 192
  private var entries: [Entry] = []

  /// Returns false if there is no room.
  mutating func add(_ id: StreamId, _ opening: StreamOpening, untilMs: UInt64) -> Bool {
    if entries.count >= EarlyStreams.capacity { return false }
    entries.append(Entry(id: id, opening: opening, untilMs: untilMs))
    return true
  }

  /// Removes and returns the streams with this key, in order.
  mutating func take(_ key: Bytes32) -> [(id: StreamId, opening: StreamOpening)] {
    var taken: [(id: StreamId, opening: StreamOpening)] = []
    for entry in entries where entry.opening.key == key { taken.append((entry.id, entry.opening)) }
    entries.removeAll { $0.opening.key == key }
    return taken
  }

  mutating func remove(_ id: StreamId) { entries.removeAll { $0.id == id } }

  /// Removes and returns expired streams.
  mutating func takeOld(nowMs: UInt64) -> [StreamId] {
    var old: [StreamId] = []
    for entry in entries where entry.untilMs <= nowMs { old.append(entry.id) }
    if !old.isEmpty { entries.removeAll { $0.untilMs <= nowMs } }
    return old
  }

  var nextDeadlineMs: UInt64 { entries.first?.untilMs ?? UInt64.max }

  mutating func removeAll() { entries = [] }
}
