import Session

/// Collected results that the publisher has not fetched yet. They count as memory of the lease's share.
struct ResultShelf {
  private struct Entry {
    let number: UInt32
    let sizeBytes: UInt64
    var stream: StreamId?
    var offset: UInt64 = 0
    var isReading = false
    /// The stream took less than was read.
    var isFull = false
  }

  /// Bytes read from memory at a time.
  static let chunk = 65_536

  private var entries: [Entry] = []

  var heldBytes: UInt64 { entries.reduce(0) { $0 + $1.sizeBytes } }
  var isEmpty: Bool { entries.isEmpty }
  func holds(_ number: UInt32) -> Bool { entries.contains { $0.number == number } }

  mutating func add(_ number: UInt32, sizeBytes: UInt64) {
    if sizeBytes > 0 { entries.append(Entry(number: number, sizeBytes: sizeBytes)) }
  }

  private func index(_ number: UInt32) -> Int? { entries.firstIndex { $0.number == number } }

  /// The publisher wants them from `offset` on; false where there are none.
  mutating func open(_ number: UInt32, _ stream: StreamId, offset: UInt64) -> Bool {
    guard let index = index(number) else { return false }
    entries[index].stream = stream
    entries[index].offset = min(offset, entries[index].sizeBytes)
    entries[index].isFull = false
    return true
  }

  /// Reads to be made now: at most one for each.
  mutating func nextReads() -> [(number: UInt32, offset: UInt64)] {
    var reads: [(number: UInt32, offset: UInt64)] = []
    for index in entries.indices
    where entries[index].stream != nil && !entries[index].isReading
      && !entries[index].isFull
    {
      if entries[index].offset >= entries[index].sizeBytes { continue }
      entries[index].isReading = true
      reads.append((entries[index].number, entries[index].offset))
    }
    return reads
  }

  /// Streams on which all was sent.
  var sent: [StreamId] {
    var sent: [StreamId] = []
    for entry in entries {
      if let stream = entry.stream, entry.offset == entry.sizeBytes { sent.append(stream) }
    }
    return sent
  }

  /// A read is done: gives the stream on which its bytes go, where they are still the next ones.
  mutating func read(_ number: UInt32, offset: UInt64) -> StreamId? {
    guard let index = index(number) else { return nil }
    entries[index].isReading = false
    return entries[index].offset == offset ? entries[index].stream : nil
  }

  /// So many bytes went. Where that is fewer than were read, the next read waits for room.
  mutating func taken(_ number: UInt32, _ count: Int, of all: Int) {
    guard let index = index(number) else { return }
    entries[index].offset += UInt64(count)
    entries[index].isFull = count < all
  }

  /// Streams that were full have room.
  mutating func roomAvailable() { for index in entries.indices { entries[index].isFull = false } }

  /// The publisher ended its side: it holds them all. Gives the task; nil for another stream.
  mutating func fetched(_ stream: StreamId) -> UInt32? {
    guard let index = entries.firstIndex(where: { $0.stream == stream }),
      entries[index].offset == entries[index].sizeBytes
    else { return nil }
    return entries.remove(at: index).number
  }

  mutating func reset(_ stream: StreamId) {
    for index in entries.indices where entries[index].stream == stream {
      entries[index].stream = nil
    }
  }

  mutating func disconnected() {
    for index in entries.indices {
      entries[index].stream = nil
      entries[index].isReading = false
    }
  }

  mutating func removeAll() { entries = [] }
}
