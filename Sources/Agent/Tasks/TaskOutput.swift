import Session

/// A task's standard streams, and the session's streams that carry them.
struct TaskOutput {
  var standardOutput = OutputBuffer()
  var standardError = OutputBuffer()
  private(set) var input: StreamId?
  /// Bytes of its input that were given to its pipe, or wait before it.
  private(set) var inputOffset: UInt64 = 0
  /// The publisher has no more.
  private(set) var inputIsEnded = false
  private var outputIsFetched = false
  private var errorIsFetched = false

  /// The streams went with the connection; the publisher opens them again.
  mutating func disconnected() {
    standardOutput.stream = nil
    standardError.stream = nil
    input = nil
  }

  mutating func programEnded() {
    standardOutput.end()
    standardError.end()
  }

  /// Bytes that are held for the publisher.
  var heldBytes: Int { standardOutput.heldBytes + standardError.heldBytes }

  /// The publisher has all that was printed.
  var isFetched: Bool {
    let hasOutput = outputIsFetched || standardOutput.endOffset == 0
    let hasError = errorIsFetched || standardError.endOffset == 0
    return standardOutput.isEnded && standardError.isEnded && hasOutput && hasError
  }

  /// Of an output; true where the stream is one of these.
  mutating func streamEnded(_ id: StreamId) -> Bool {
    if standardOutput.stream == id {
      if standardOutput.isDone { outputIsFetched = true }
      return true
    }
    if standardError.stream == id {
      if standardError.isDone { errorIsFetched = true }
      return true
    }
    return false
  }

  mutating func streamReset(_ id: StreamId) -> Bool {
    if standardOutput.stream == id {
      standardOutput.stream = nil
    } else if standardError.stream == id {
      standardError.stream = nil
    } else if input == id {
      input = nil
    } else {
      return false
    }
    return true
  }

  // MARK: Input

  mutating func inputOpened(_ id: StreamId?) { input = id }
  mutating func inputReceived(_ count: Int) { inputOffset += UInt64(count) }

  mutating func inputEnded() {
    input = nil
    inputIsEnded = true
  }

  mutating func takeInput() -> StreamId? {
    defer { input = nil }
    return input
  }
}
