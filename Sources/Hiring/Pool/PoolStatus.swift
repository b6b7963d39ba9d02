import Bytes
import Market

/// A pool's state, for displays and exit statuses.
public struct PoolStatus: Equatable, Sendable {
  public struct Refusals: Equatable, Sendable {
    public var code: RefusalCode
    public var providers: Int
  }

  public var places: Int
  /// Leases that hold a place: from the contract until they take no more tasks.
  public var hired: Int
  public var open: Int
  public var waiting: Int
  public var running: Int
  public var ended: Int
  /// No more tasks will be added.
  public var isComplete: Bool
  public var isStopping: Bool
  /// A place was given up: no provider was hired in time, or the loss limit was reached.
  public var hireFailed: Bool
  /// Why providers were not hired; the most frequent reason first.
  public var refusals: [Refusals]
}
