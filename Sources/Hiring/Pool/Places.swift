import Market

/// The places of a pool: since when each is empty, and whether it was given up.
struct Places {
  private struct Place {
    /// Since when it is empty.
    var emptySinceMs: UInt64
    /// No provider was hired in time.
    var isGivenUp = false
  }

  private var places: [Place]

  init(_ count: UInt16, nowMs: UInt64) {
    places = Array(repeating: Place(emptySinceMs: nowMs), count: Int(count))
  }

  /// The announcement is relayed: starts the timeouts.
  mutating func announced(nowMs: UInt64) {
    for index in places.indices { places[index].emptySinceMs = nowMs }
  }

  mutating func emptied(_ worker: UInt16, nowMs: UInt64) {
    if Int(worker) < places.count { places[Int(worker)].emptySinceMs = nowMs }
  }

  func isGivenUp(_ worker: UInt16) -> Bool { places[Int(worker)].isGivenUp }

  /// Gives up the places among `empty` that were empty for `timeoutMs`, and returns them.
  mutating func giveUp(_ empty: [UInt16], timeoutMs: UInt64, nowMs: UInt64) -> [UInt16] {
    var given: [UInt16] = []
    for worker in empty where nowMs >= places[Int(worker)].emptySinceMs + timeoutMs {
      places[Int(worker)].isGivenUp = true
      given.append(worker)
    }
    return given
  }

  func deadlineMs(_ empty: [UInt16], timeoutMs: UInt64) -> UInt64 {
    empty.map { places[Int($0)].emptySinceMs + timeoutMs }.min() ?? UInt64.max
  }
}
