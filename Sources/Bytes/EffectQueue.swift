/// What a state machine asks of its driver, in order. The driver carries out each effect before it
/// takes the next one: that order is what makes a stored state precede what relies on it.
public struct EffectQueue<Effect> {
  private var effects: [Effect] = []
  private var next = 0

  public init() {}

  public var isEmpty: Bool { next == effects.count }
  /// Effects that wait.
  public var count: Int { effects.count - next }

  public mutating func append(_ effect: Effect) { effects.append(effect) }

  /// The oldest effect; nil when none waits.
  public mutating func popFirst() -> Effect? {
    if next == effects.count {
      effects.removeAll(keepingCapacity: true)
      next = 0
      return nil
    }
    next += 1
    return effects[next - 1]
  }

  /// Those that wait, the oldest first.
  public var waiting: ArraySlice<Effect> { effects[next...] }
}
