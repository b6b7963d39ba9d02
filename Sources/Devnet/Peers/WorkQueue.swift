import Bitcoin
import Bytes

/// An object that a peer requested.
enum PeerWork {
  case inventory(InventoryVector)
  /// The filter of this block.
  case filter(Bytes32)
}

/// First in, first out.
struct WorkQueue {
  private var items: [PeerWork] = []
  private var head = 0

  var count: Int { items.count - head }

  mutating func append(_ item: PeerWork) { items.append(item) }

  mutating func next() -> PeerWork? {
    if head == items.count { return nil }
    head += 1
    let item = items[head - 1]
    if head == items.count {
      items = []
      head = 0
    }
    return item
  }
}
