import Market

/// What is to be done with an exec session.
public enum ExecAction: Equatable, Sendable {
  /// Start it in the task's sandbox; `environment` is whole, `workdir` absolute.
  case start(ExecRequest)
  case input([UInt8])
  case closeInput
  case signal(UInt8)
  case resize(TerminalSize)
  /// Nobody reads its output any more: kill its process group and release it. No event follows.
  case end
}
