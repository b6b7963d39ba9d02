/// Limits how long a stopping agent waits until peers have its closes.
struct CloseDelivery {
  enum Verdict {
    case begun, waiting, delivered, givenUp
  }

  static let limitMs: UInt64 = 30_000

  /// When waiting ends; nil before it begins.
  private(set) var endsAtMs: UInt64?

  /// - Parameter count: the number of closes that fewer than two peers have.
  mutating func look(_ count: Int, nowMs: UInt64) -> Verdict {
    if count == 0 { return .delivered }
    guard let endsAtMs else {
      self.endsAtMs = nowMs + CloseDelivery.limitMs
      return .begun
    }
    return nowMs < endsAtMs ? .waiting : .givenUp
  }
}
