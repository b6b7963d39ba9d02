import ArgumentParser
import Foundation
import Host
import Publisher

/// Options of commands about a running job.
struct JobPlace: ParsableArguments {
  @OptionGroup var place: WalletCommand.Place

  @Argument(
    help: "The run's name or a prefix, followed by /WORKER or /task-NUMBER if there are several.")
  var job: String

  func find() throws -> LiveJob {
    let path = try place.path()
    return try RunCommand.reporting { () throws(RunError) in try LiveRuns.find(job, in: path) }
  }
}

/// `zennet exec JOB -- PROGRAM …`: runs an exec session in a running task's sandbox.
struct ExecCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "exec",
    abstract: "Run a program in a running task's sandbox (an exec session).",
    discussion: """
      The program has the task's files, limits and price. Its standard streams are this command's, \
      and so is its exit status, as with `zennet run`: 128 plus the number of the signal that \
      ended it, 127 if there is no such program, 125 if the session could not be started. It ends \
      with this command, with the task, and when the connection to the provider breaks.
      """)

  @OptionGroup var target: JobPlace

  @Option(name: .shortAndLong, help: "NAME=value, added to the task's environment; repeatable.")
  var env: [String] = []

  @Option(name: .shortAndLong, help: "The working directory; by default the task's.")
  var workdir: String?

  @Flag(name: .shortAndLong, help: "Connect it to this terminal.")
  var tty = false

  @Flag(inversion: .prefixedNo, help: "Forward this command's standard input to the program.")
  var stdin = true

  @Argument(parsing: .postTerminator, help: "The program and its arguments, after `--`.")
  var command: [String] = []

  func validate() throws {
    if command.isEmpty { throw ValidationError("give a program after `--`") }
  }

  func run() throws {
    var request = ControlRequest(.exec)
    request.arguments = command
    request.environment = env
    request.workdir = workdir
    let end = try RemoteCommand.run(
      target, request, terminal: tty, input: stdin ? 0 : -1)
    RemoteCommand.tell(end, of: command[0])
    throw ExitCode(Int32(end.status))
  }
}

/// `zennet shell JOB`: opens a terminal in a running task's sandbox.
struct ShellCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shell",
    abstract: "Open a terminal in a running task's sandbox.",
    discussion: """
      Starts the first of /bin/sh, /bin/bash and busybox in the bundle, or the program after `--`. \
      Keys, signals and the window's size are forwarded to it; this terminal is restored when it \
      ends.
      """)

  @OptionGroup var target: JobPlace

  @Argument(parsing: .postTerminator, help: "A program to start instead, after `--`.")
  var command: [String] = []

  private static let shells = [
    ["/bin/sh"], ["/bin/bash"], ["busybox", "sh"], ["/bin/busybox", "sh"],
  ]

  func run() throws {
    if !Terminal.isTerminal(0) {
      throw ValidationError("standard input is not a terminal: use `zennet exec`")
    }
    var request = ControlRequest(.exec)
    request.environment = ["TERM=" + (ProcessInfo.processInfo.environment["TERM"] ?? "dumb")]
    for shell in command.isEmpty ? ShellCommand.shells : [command] {
      request.arguments = shell
      let end = try RemoteCommand.run(target, request, terminal: true, input: 0)
      if end.status != 127 || shell == ShellCommand.shells.last {
        RemoteCommand.tell(end, of: shell[0])
        throw ExitCode(Int32(end.status))
      }
    }
  }
}

/// Shared by `exec` and `shell`.
enum RemoteCommand {
  /// Prints the reason of an end that the exit status does not express.
  static func tell(_ end: RemoteProgram.End, of program: String) {
    if end.text.isEmpty { return }
    Complaint.tell("\(program): \(end.text)")
  }

  static func run(
    _ target: JobPlace, _ request: ControlRequest, terminal wantsTerminal: Bool, input: Int32
  ) throws -> RemoteProgram.End {
    let terminal = wantsTerminal && Terminal.isTerminal(0) ? Terminal(fd: 0) : nil
    var request = request
    defer { terminal?.restore() }
    let job: LiveJob
    do { job = try target.find() } catch is ExitCode { throw ExitCode(.failure) }
    do {
      let job = try job.theOne()
      request.worker = job.worker
      request.task = job.task
      let program = try RemoteProgram(
        job, request, input: input,
        terminal: terminal.map { .caller($0) } ?? (wantsTerminal ? .unattended : .none))
      try terminal?.makeRaw()
      // With a terminal, the program's output is passed unchanged. Otherwise control characters are
      // removed, because the program is untrusted.
      let cleans = [1, 2].map { !wantsTerminal && Terminal.isTerminal($0) }
      var texts = [TerminalText(), TerminalText()]
      return try program.run { isError, bytes in
        let place = isError ? 1 : 0
        let failure = HostProcess.write(
          isError ? 2 : 1, cleans[place] ? texts[place].clean(bytes) : bytes)
        return isError ? nil : failure
      }
    } catch {
      terminal?.restore()
      let message = (error as? RunError)?.message ?? (error as? HostError)?.message ?? "\(error)"
      Complaint.tell(message)
      throw ExitCode(.failure)
    }
  }
}
