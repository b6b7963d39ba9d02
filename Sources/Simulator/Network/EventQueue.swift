/// Future events, by time; events at the same time are in the order in which they were added. A
/// binary heap.
public struct EventQueue<Event> {
  private struct Item {
    let atMs: UInt64
    let sequence: UInt64
    let event: Event

    func isBefore(_ other: Item) -> Bool {
      atMs != other.atMs ? atMs < other.atMs : sequence < other.sequence
    }
  }

  private var items: [Item] = []
  private var sequence: UInt64 = 0

  public init() {}

  public var nextMs: UInt64? { items.first?.atMs }

  public mutating func push(_ event: Event, atMs: UInt64) {
    items.append(Item(atMs: atMs, sequence: sequence, event: event))
    sequence += 1
    var child = items.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      if !items[child].isBefore(items[parent]) { return }
      items.swapAt(child, parent)
      child = parent
    }
  }

  public mutating func pop() -> (atMs: UInt64, event: Event)? {
    guard let first = items.first else { return nil }
    let last = items.removeLast()
    if !items.isEmpty {
      items[0] = last
      var parent = 0
      while true {
        var least = parent
        for child in [2 * parent + 1, 2 * parent + 2]
        where child < items.count && items[child].isBefore(items[least]) {
          least = child
        }
        if least == parent { break }
        items.swapAt(parent, least)
        parent = least
      }
    }
    return (first.atMs, first.event)
  }
}
