/// How long a stopping agent waits for the closes that it sent: until peers have them, with a limit.
struct CloseDelivery {
  enum Verdict {
    case begun, waiting, delivered, givenUp
  }

  static let limitMs: UInt64 = 30_000

  /// When it is given up; nil before there was anything to wait for.
  private(set) var endsAtMs: UInt64?

  /// - Parameter count: closes that no two peers are known to have.
  mutating func look(_ count: Int, nowMs: UInt64) -> Verdict {
    if count == 0 { return .delivered }
    guard let endsAtMs else {
      self.endsAtMs = nowMs + CloseDelivery.limitMs
      return .begun
    }
    return nowMs < endsAtMs ? .waiting : .givenUp
  }
}
