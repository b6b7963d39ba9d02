import Session

/// The job's standard streams and the session streams that carry them.
struct JobOutput {
  var standardOutput = OutputBuffer()
  var standardError = OutputBuffer()
  var inputStream: StreamId?
  /// Bytes of its input that were given to the job's pipe, or wait before it.
  var inputOffset: UInt64 = 0
  /// The publisher has no more.
  var inputIsEnded = false

  /// The streams went with the connection; the publisher opens them again.
  mutating func disconnected() {
    standardOutput.stream = nil
    standardError.stream = nil
    inputStream = nil
  }
}
