import ArgumentParser
import Foundation
import Host
import Publisher

/// What the commands about a running job know.
struct JobPlace: ParsableArguments {
  @OptionGroup var place: WalletCommand.Place

  @Argument(
    help: "The run's name or its beginning, and /WORKER or /task-NUMBER where it has several.")
  var job: String

  func find() throws -> LiveJob {
    let path = try place.path()
    return try RunCommand.reporting { () throws(RunError) in try LiveRuns.find(job, in: path) }
  }
}

/// `zennet exec JOB -- PROGRAM …`: a further program beside a running job.
struct ExecCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "exec",
    abstract: "Run a program beside a running job, in its sandbox.",
    discussion: """
      The program has the job's files, limits and price. Its standard streams are this command's, \
      and so is its exit status, as `zennet run` has it: 128 and the number of the signal that ended \
      it, 127 where there is no such program, 125 where nothing could be asked of the job. It ends \
      with this command, with the job, and when the connection to the machine breaks.
      """)

  @OptionGroup var target: JobPlace

  @Option(name: .shortAndLong, help: "NAME=value in addition to the job's environment; repeatable.")
  var env: [String] = []

  @Option(name: .shortAndLong, help: "Where it starts; by default where the job did.")
  var workdir: String?

  @Flag(name: .shortAndLong, help: "Give it a terminal: this one.")
  var tty = false

  @Flag(inversion: .prefixedNo, help: "This command's standard input becomes the program's.")
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

/// `zennet shell JOB`: a terminal in a running job's sandbox.
struct ShellCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "shell",
    abstract: "Open a terminal in a running job's sandbox.",
    discussion: """
      Starts the first of /bin/sh, /bin/bash and busybox that the bundle has, or the program after \
      `--`. Keys, signals and the window's size go to it; this terminal is put back in order when it \
      ends.
      """)

  @OptionGroup var target: JobPlace

  @Argument(parsing: .postTerminator, help: "Another program, after `--`.")
  var command: [String] = []

  private static let shells = [
    ["/bin/sh"], ["/bin/bash"], ["busybox", "sh"], ["/bin/busybox", "sh"],
  ]

  func run() throws {
    if !Terminal.isTerminal(0) {
      throw ValidationError("standard input is no terminal: use `zennet exec`")
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

/// What `exec` and `shell` share.
enum RemoteCommand {
  /// On standard error, where its status alone would be a riddle.
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
      // Whoever asked for a terminal gets what the program says to it; else nothing of a stranger's
      // program commands this one.
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
