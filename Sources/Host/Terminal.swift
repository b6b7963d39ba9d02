import CHost

/// The user's terminal, for an interactive shell.
public final class Terminal {
  private let fd: Int32
  private var saved = [UInt8](repeating: 0, count: HOST_TERMINAL_BYTES)
  private var isRaw = false

  public init(fd: Int32 = 0) { self.fd = fd }

  deinit { restore() }

  public static func isTerminal(_ fd: Int32) -> Bool { host_is_terminal(fd) == 1 }

  /// Nil if it is not a terminal.
  public var size: (columns: UInt16, rows: UInt16)? {
    var columns: UInt16 = 0
    var rows: UInt16 = 0
    return host_terminal_size(fd, &columns, &rows) < 0 ? nil : (columns, rows)
  }

  /// Switches to raw mode, in which keys are received at once and not echoed, until ``restore()``.
  public func makeRaw() throws(HostError) {
    if isRaw { return }
    try HostError.check(host_terminal_raw(fd, &saved), "make raw", "terminal")
    isRaw = true
  }

  public func restore() {
    if isRaw { _ = host_terminal_restore(fd, saved) }
    isRaw = false
  }
}
