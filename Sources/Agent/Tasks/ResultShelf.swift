import Session

/// Collected results that the publisher has not fetched. They count towards the memory of the
/// lease's share.
struct ResultShelf {
  private struct Entry {
    let number: UInt32
    let sizeBytes: UInt64
    var stream: StreamId?
    var offset: UInt64 = 0
    var isReading = false
    /// The stream accepted fewer bytes than were read.
    var isFull = false
  }

  /// Bytes per read.
  static let chunk = 65_536

  private var entries: [Entry] = []

  var heldBytes: UInt64 { entries.reduce(0) { $0 + $1.sizeBytes } }
  var isEmpty: Bool { entries.isEmpty }
  func holds(_ number: UInt32) -> Bool { entries.contains { $0.number == number } }

  mutating func add(_ number: UInt32, sizeBytes: UInt64) {
    if sizeBytes > 0 { entries.append(Entry(number: number, sizeBytes: sizeBytes)) }
  }

  private func index(_ number: UInt32) -> Int? { entries.firstIndex { $0.number == number } }

  /// The publisher requests results from `offset` on. Returns false if there are none.
  mutating func open(_ number: UInt32, _ stream: StreamId, offset: UInt64) -> Bool {
    guard let index = index(number) else { return false }
    entries[index].stream = stream
    entries[index].offset = min(offset, entries[index].sizeBytes)
    entries[index].isFull = false
    return true
  }

  /// The reads to issue now: at most one per task.
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

  /// Streams on which all bytes were sent.
  var sent: [StreamId] {
    var sent: [StreamId] = []
    for entry in entries {
      if let stream = entry.stream, entry.offset == entry.sizeBytes { sent.append(stream) }
    }
    return sent
  }

  /// A read completed. Returns the stream to send its bytes on; nil if they are no longer the next
  /// ones.
  mutating func read(_ number: UInt32, offset: UInt64) -> StreamId? {
    guard let index = index(number) else { return nil }
    entries[index].isReading = false
    return entries[index].offset == offset ? entries[index].stream : nil
  }

  /// `count` bytes were sent. If fewer than read, the next read waits for room.
  mutating func taken(_ number: UInt32, _ count: Int, of all: Int) {
    guard let index = index(number) else { return }
    entries[index].offset += UInt64(count)
    entries[index].isFull = count < all
  }

  /// Full streams have room again.
  mutating func roomAvailable() { for index in entries.indices { entries[index].isFull = false } }

  /// The publisher ended its side: it has all results. Returns the task's number; nil for an
  /// unrelated stream.
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
