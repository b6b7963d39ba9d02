import Bytes
import Market

/// How a pool stands, for displays and for how its program ends.
public struct PoolStatus: Equatable, Sendable {
  public struct Refusals: Equatable, Sendable {
    public var code: RefusalCode
    public var providers: Int
  }

  public var places: Int
  /// Leases that hold a place: from the contract on until they take no more tasks.
  public var hired: Int
  public var open: Int
  public var waiting: Int
  public var running: Int
  public var ended: Int
  /// No more tasks will be added.
  public var isComplete: Bool
  public var isStopping: Bool
  /// A place was given up, for nobody was hired in time or more would have been risked than may be.
  public var hireFailed: Bool
  /// Why providers were not hired, the most frequent reason first.
  public var refusals: [Refusals]
}
