/// The effects that a state machine requests from its driver, in order. The driver completes each
/// effect before it takes the next one, so that a state is stored before anything relies on it.
public struct EffectQueue<Effect> {
  private var effects: [Effect] = []
  private var next = 0

  public init() {}

  public var isEmpty: Bool { next == effects.count }
  /// The number of pending effects.
  public var count: Int { effects.count - next }

  public mutating func append(_ effect: Effect) { effects.append(effect) }

  /// The oldest effect; nil if there is none.
  public mutating func popFirst() -> Effect? {
    if next == effects.count {
      effects.removeAll(keepingCapacity: true)
      next = 0
      return nil
    }
    next += 1
    return effects[next - 1]
  }

  /// The pending effects, oldest first.
  public var waiting: ArraySlice<Effect> { effects[next...] }
}
