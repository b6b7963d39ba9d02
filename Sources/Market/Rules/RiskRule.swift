/// How much a provider lets a publisher owe: five minutes of the agreed price, at least 10 sat, and no
/// more than a small amount for publishers without settled history.
public enum RiskRule {
  public static let leastSat: UInt64 = 10
  /// The default bound for publishers without settled history.
  public static let strangerSat: UInt64 = 100

  /// - Parameters:
  ///   - hourlySat: the price of an hour of full use of the share.
  ///   - strangerSat: the bound for a publisher without history; nil for one that has settled before.
  ///   - ownerSat: the owner's own bound; nil where there is none.
  public static func maxLossSat(
    hourlySat: UInt64, strangerSat: UInt64?, ownerSat: UInt64?
  ) -> UInt64 {
    var limit = max(leastSat, hourlySat / 12)
    if let strangerSat { limit = min(limit, max(1, strangerSat)) }
    if let ownerSat { limit = min(limit, max(1, ownerSat)) }
    return limit
  }

  /// Providers bid only where what can be used between two samples is at most a quarter of the loss.
  public static func suits(headroomSat: UInt64, maxLossSat: UInt64) -> Bool {
    headroomSat <= maxLossSat / 4
  }
}
