import Session

/// A task's standard streams and the session streams that carry them.
struct TaskOutput {
  var standardOutput = OutputBuffer()
  var standardError = OutputBuffer()
  private(set) var input: StreamId?
  /// Bytes of input received so far.
  private(set) var inputOffset: UInt64 = 0
  /// The publisher's input ended.
  private(set) var inputIsEnded = false
  /// The publisher ended its side: it has all output, or does not want the rest.
  private var outputIsLeft = false
  private var errorIsLeft = false

  /// The connection broke; the publisher opens the streams again.
  mutating func disconnected() {
    if !TaskOutput.isFetched(standardOutput, outputIsLeft) { outputIsLeft = false }
    if !TaskOutput.isFetched(standardError, errorIsLeft) { errorIsLeft = false }
    standardOutput.stream = nil
    standardError.stream = nil
    input = nil
  }

  mutating func programEnded() {
    standardOutput.end()
    standardError.end()
  }

  /// Bytes kept for the publisher.
  var heldBytes: Int { standardOutput.heldBytes + standardError.heldBytes }

  /// Whether the publisher has all output.
  var isFetched: Bool {
    TaskOutput.isFetched(standardOutput, outputIsLeft)
      && TaskOutput.isFetched(standardError, errorIsLeft)
  }

  private static func isFetched(_ buffer: OutputBuffer, _ isLeft: Bool) -> Bool {
    buffer.isEnded && (buffer.endOffset == 0 || (isLeft && buffer.unsent == 0))
  }

  /// Returns whether the stream is one of the output streams.
  mutating func streamEnded(_ id: StreamId) -> Bool {
    if standardOutput.stream == id {
      outputIsLeft = true
      return true
    }
    if standardError.stream == id {
      errorIsLeft = true
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
