import ArgumentParser
import Bundles
import Host
import Publisher

/// `zennet cp JOB:PATH LOCAL`, `zennet cp LOCAL JOB:PATH`: copies files from or to a running task.
struct CopyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cp",
    abstract: "Copy files and folders to or from a running task.",
    discussion: """
      One of the two is JOB:PATH. In an existing folder a copy keeps its name; otherwise it gets \
      the given name. From a task only files and folders are copied, no links, because an \
      untrusted machine created them. The bundle needs no program for this.
      """)

  @OptionGroup var place: WalletCommand.Place

  @Argument(help: "The source.") var source: String
  @Argument(help: "The target.") var target: String

  func run() throws {
    let from = CopyCommand.split(source)
    let to = CopyCommand.split(target)
    switch (from, to) {
    case (.some(let remote), nil): try fetch(remote.job, remote.path)
    case (nil, .some(let remote)): try send(remote.job, remote.path)
    default: throw ValidationError("exactly one of the two must be JOB:PATH")
    }
  }

  /// A local path with a colon can be written as `./a:b`.
  private static func split(_ text: String) -> (job: String, path: String)? {
    guard let colon = text.firstIndex(of: ":") else { return nil }
    let job = text[..<colon]
    let parts = job.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let isName =
      !parts[0].isEmpty && parts[0].allSatisfy(\.isHexDigit)
      && (parts.count == 1 || isPlace(parts[1]))
    let path = String(text[text.index(after: colon)...])
    return job.isEmpty || !isName || path.isEmpty ? nil : (String(job), path)
  }

  /// `2`, `worker-2` or `task-7`.
  private static func isPlace(_ text: Substring) -> Bool {
    let number = ["worker-", "task-"].first { text.hasPrefix($0) }.map { text.dropFirst($0.count) }
    return !(number ?? text).isEmpty && (number ?? text).allSatisfy(\.isNumber)
  }

  private func fetch(_ name: String, _ path: String) throws {
    var request = ControlRequest(.exec)
    request.kind = 1
    request.arguments = [path]
    var unpacker = try RunCommand.reporting { () throws(RunError) in
      do throws(HostError) { return try CopyUnpacker(target: target, source: path) } catch {
        throw .host(error)
      }
    }
    var problem: (any Error)?
    let end = try start(name, request, sending: nil) { bytes in
      if problem != nil { return }
      do { try unpacker.feed(bytes) } catch { problem = error }
    }
    if let text = unpacker.leftOut.text { Complaint.tell("\(path): \(text)") }
    if end.status != 0 { throw ExitCode.failure }
    if problem == nil { do { try unpacker.finish() } catch { problem = error } }
    if let problem {
      Complaint.tell("\(path): \((problem as? any CopyProblem)?.message ?? "\(problem)")")
      throw ExitCode.failure
    }
    if unpacker.leftOut.isPartial { throw ExitCode.failure }
  }

  private func send(_ name: String, _ path: String) throws {
    var request = ControlRequest(.exec)
    request.kind = 2
    request.arguments = [path]
    let archive = try RunCommand.reporting { () throws(RunError) in
      do throws(BundlesError) { return try FolderTar(source, isNamed: true) } catch {
        throw .bundles(error)
      }
    }
    let end = try start(name, request, sending: archive) { _ in }
    if end.status != 0 { throw ExitCode.failure }
    if archive.skipped > 0 {
      Complaint.tell("\(archive.skipped) links that lead out of \(source) were left out")
    }
  }

  private func start(
    _ name: String, _ request: ControlRequest, sending archive: FolderTar?,
    output: ([UInt8]) -> Void
  ) throws -> RemoteProgram.End {
    var text = TerminalText()
    let cleans = Terminal.isTerminal(2)
    let path = try place.path()
    return try RunCommand.reporting { () throws(RunError) in
      let job = try LiveRuns.find(name, in: path).theOne()
      var request = request
      request.worker = job.worker
      request.task = job.task
      let program = try RemoteProgram(job, request, input: -1, source: archive)
      return try program.run { isError, bytes in
        if isError {
          HostProcess.write(2, cleans ? text.clean(bytes) : bytes)
        } else {
          output(bytes)
        }
        return nil
      }
    }
  }
}
