import Market

/// An action on an exec session.
public enum ExecAction: Equatable, Sendable {
  /// Starts it in the task's sandbox; `environment` is complete, `workdir` absolute.
  case start(ExecRequest)
  case input([UInt8])
  case closeInput
  case signal(UInt8)
  case resize(TerminalSize)
  /// Kills its process group and releases it; its output is discarded. No event follows.
  case end
}
