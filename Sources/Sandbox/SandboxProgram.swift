import CHost

/// A further program beside a running job, behind the same walls: a shell, for example. It ends at the
/// latest when the job does.
public final class SandboxProgram {
  /// As in ``SandboxEvent/programStarted(id:)``.
  public let id: UInt32
  public let isTerminal: Bool
  /// Non-blocking. With a terminal `stdin` and `stdout` are one descriptor, there from the event
  /// `programStarted` on, and `stderr` is -1.
  public fileprivate(set) var stdin: Int32 = -1
  public fileprivate(set) var stdout: Int32 = -1
  public fileprivate(set) var stderr: Int32 = -1

  fileprivate init(id: UInt32, isTerminal: Bool) {
    self.id = id
    self.isTerminal = isTerminal
  }

  /// Has no effect on a terminal: there the end of input is a character.
  public func closeInput() {
    if !isTerminal { SandboxProcess.close(&stdin) }
  }

  public func resize(rows: UInt16, columns: UInt16) throws(SandboxError) {
    if !isTerminal || stdout < 0 { throw SandboxError.wrongState("the program has no terminal") }
    let code = host_sandbox_set_size(stdout, UInt32(rows), UInt32(columns))
    if code != 0 { throw SandboxError.system("terminal size", code: -code) }
  }

  /// Closes the descriptors; the program itself goes on, or gets SIGHUP if it has a terminal.
  public func close() {
    if stdin == stdout { stdin = -1 }
    SandboxProcess.close(&stdin)
    SandboxProcess.close(&stdout)
    SandboxProcess.close(&stderr)
  }
}

/// Which way files go.
public enum CopyDirection: Equatable, Sendable {
  case out, into
}

extension SandboxProcess {
  /// Starts a further program while the job runs; at most 15 at a time. What became of it comes as
  /// `programStarted` and `programEnded`. Once that is known and its output read, `close()` it.
  ///
  /// - Parameter arguments: the program first, as in ``JobSpec/arguments``.
  public func start(
    _ arguments: [String], environment: [String], workdir: String = "/work", terminal: Bool = false
  ) throws(SandboxError) -> SandboxProgram {
    try start(arguments, environment, workdir, flags: terminal ? 1 << 31 : 0)
  }

  /// Starts this program's own packer or unpacker beside the job, with the job's rights. A tar of
  /// `path` comes from standard output, or one for `path` is written to standard input.
  public func startCopy(
    _ direction: CopyDirection, path: String
  ) throws(SandboxError) -> SandboxProgram {
    try start(SandboxHelper.copyArguments(direction, path: path), [], "/", flags: 1 << 30)
  }

  private func start(
    _ arguments: [String], _ environment: [String], _ workdir: String, flags: UInt32
  ) throws(SandboxError) -> SandboxProgram {
    if control < 0 || isClosed || outcome != nil {
      throw SandboxError.wrongState("no job is running")
    }
    var texts: [UInt8] = []
    for text in [workdir] + arguments + environment {
      if text.utf8.contains(0) { throw SandboxError.invalidSpec("arguments: a zero byte") }
      texts.append(contentsOf: text.utf8)
      texts.append(0)
    }
    if arguments.isEmpty || arguments.count > 4096 || environment.count > 4096
      || texts.count > 60_000
    {
      throw SandboxError.invalidSpec("arguments: 1 to 4096, 60,000 bytes in all")
    }
    lastProgram += 1
    let program = SandboxProgram(id: lastProgram, isTerminal: flags >> 31 == 1)
    let counts = UInt32(arguments.count) << 16 | UInt32(environment.count) | flags
    try send(program, counts: counts, texts: texts)
    programs.removeAll { $0.stdin < 0 && $0.stdout < 0 && $0.stderr < 0 && !$0.isTerminal }
    programs.append(program)
    return program
  }

  private func send(
    _ program: SandboxProgram, counts: UInt32, texts: [UInt8]
  ) throws(SandboxError) {
    var theirs: [Int32] = [-1, -1, -1]
    var code: Int32 = 0
    do throws(SandboxError) {
      if !program.isTerminal {
        (theirs[0], program.stdin) = try pipe(ourEnd: 1)
        (program.stdout, theirs[1]) = try pipe(ourEnd: 0)
        (program.stderr, theirs[2]) = try pipe(ourEnd: 0)
      }
      code = texts.withUnsafeBufferPointer { texts in
        theirs.withUnsafeBufferPointer { theirs in
          host_sandbox_send_program(
            control, program.id, counts, texts.baseAddress, UInt64(texts.count),
            program.isTerminal ? nil : theirs.baseAddress)
        }
      }
      if code != 0 { throw SandboxError.system("control socket", code: -code) }
    } catch {
      for descriptor in theirs where descriptor >= 0 { _ = host_sandbox_close(descriptor) }
      program.close()
      throw error
    }
    for descriptor in theirs where descriptor >= 0 { _ = host_sandbox_close(descriptor) }
  }

  /// The master of the job's terminal, or of a further program's.
  func takeTerminal(_ descriptor: Int32, id: UInt32) {
    if id == 0 && stdout < 0 {
      stdin = descriptor
      stdout = descriptor
    } else if let program = programs.first(where: { $0.id == id && $0.isTerminal }),
      program.stdout < 0
    {
      program.stdin = descriptor
      program.stdout = descriptor
    } else {
      _ = host_sandbox_close(descriptor)
    }
  }
}
