import Bytes
import Market
import Session

/// A further program that the publisher started beside the job, and the session's streams that carry
/// what it reads and prints. It lives as long as the connection that asked for it.
struct JobProgram {
  let id: UInt32
  /// What its streams are called.
  let key: Bytes32
  let isTerminal: Bool
  var input: StreamId?
  var standardOutput = OutputBuffer(historyBytes: 0)
  var standardError = OutputBuffer(historyBytes: 0)
  /// The publisher was told how it ended.
  var hasEnded = false

  init(id: UInt32, key: Bytes32, isTerminal: Bool) {
    self.id = id
    self.key = key
    self.isTerminal = isTerminal
    if isTerminal { standardError.end() }
  }

  /// It ended, and all that it printed was sent.
  var isOver: Bool {
    hasEnded && standardOutput.isDone && (isTerminal || standardError.isDone)
  }
}

/// What is to be done with a further program.
public enum ProgramAction: Equatable, Sendable {
  /// Start it beside the job; `environment` is whole, `workdir` absolute.
  case start(ProgramRequest)
  case input([UInt8])
  case closeInput
  case signal(UInt8)
  case resize(TerminalSize)
  /// Nobody listens any more: kill its process group and let go of it. Nothing is told of it after.
  case end
}
