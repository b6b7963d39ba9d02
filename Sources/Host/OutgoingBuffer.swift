import CHost

/// Bytes that the kernel has not accepted yet.
struct OutgoingBuffer {
  private var bytes: [UInt8] = []
  private var head = 0

  var count: Int { bytes.count - head }
  var isEmpty: Bool { head == bytes.count }

  mutating func append(_ more: [UInt8], from start: Int = 0) {
    // Drop sent bytes before the array grows.
    if head > 65536 && head > bytes.count / 2 {
      bytes.removeFirst(head)
      head = 0
    }
    if start == 0 {
      bytes.append(contentsOf: more)
    } else {
      bytes.append(contentsOf: more[start...])
    }
  }

  /// Writes what the kernel accepts now. Returns 0, or -errno from host_write.
  mutating func flush(to fd: Int32, budget: Int) -> Int32 {
    var left = budget
    while !isEmpty && left > 0 {
      let amount = min(count, left)
      let done = bytes.withUnsafeBufferPointer { buffer -> Int64 in
        guard let base = buffer.baseAddress else { return 0 }
        return host_write(fd, base + head, UInt64(amount))
      }
      if done == -Int64(HOST_EAGAIN) { return 0 }
      if done < 0 { return Int32(done) }
      head += Int(done)
      left -= Int(done)
      if Int(done) < amount { break }
    }
    if isEmpty {
      bytes.removeAll(keepingCapacity: bytes.count <= 65536)
      head = 0
    }
    return 0
  }
}
