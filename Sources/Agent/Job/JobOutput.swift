import Session

/// The job's standard streams and the session streams that carry them.
struct JobOutput {
  var standardOutput = OutputBuffer()
  var standardError = OutputBuffer()
  var inputStream: StreamId?

  /// The streams went with the connection; the publisher opens them again.
  mutating func disconnected() {
    standardOutput.stream = nil
    standardError.stream = nil
    inputStream = nil
  }
}
