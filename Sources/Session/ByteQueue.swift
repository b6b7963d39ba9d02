/// Bytes that wait: appended behind, taken in front, both in constant time a byte on average.
struct ByteQueue {
  private var storage: [UInt8] = []
  private var head = 0

  var count: Int { storage.count - head }
  var isEmpty: Bool { storage.count == head }

  mutating func append(_ more: ArraySlice<UInt8>) {
    // Moving the rest down pays only where at least as much was taken as is left.
    if head > 0 && head >= count { compact() }
    storage.append(contentsOf: more)
  }

  /// Moves the first `length` bytes behind `target`.
  mutating func take(_ length: Int, into target: inout [UInt8]) {
    precondition(length >= 0 && length <= count)
    target.append(contentsOf: storage[head..<(head + length)])
    head += length
    if isEmpty { removeAll() }
  }

  /// Keeps the storage while it is small.
  mutating func removeAll() {
    storage.removeAll(keepingCapacity: storage.capacity <= 64 * 1024)
    head = 0
  }

  private mutating func compact() {
    storage.removeSubrange(0..<head)
    head = 0
  }
}

/// Elements that wait, like ``ByteQueue``.
struct Queue<Element> {
  private var storage: [Element?] = []
  private var head = 0

  var count: Int { storage.count - head }
  var isEmpty: Bool { storage.count == head }

  var first: Element? { isEmpty ? nil : storage[head] }

  mutating func append(_ element: Element) { storage.append(element) }

  mutating func popFirst() -> Element? {
    if isEmpty { return nil }
    let element = storage[head]
    storage[head] = nil
    head += 1
    if isEmpty {
      storage.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= 64 && head * 2 >= storage.count {
      storage.removeSubrange(0..<head)
      head = 0
    }
    return element
  }

  mutating func removeAll() {
    storage.removeAll()
    head = 0
  }
}
