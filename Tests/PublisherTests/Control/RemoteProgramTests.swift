import Foundation
import Host
import Testing

@testable import Publisher

/// A program beside a job, from the asking side; the test is the run.
struct RemoteProgramTests {
  private static let full = HostError.failed(
    errno: 28, operation: "write", subject: "standard output")
  private static let unread = HostError.failed(
    errno: 32, operation: "write", subject: "standard output")

  /// Asks a run that says all of `frames` at once.
  private func run(
    _ frames: [ControlFrame], output: (Bool, [UInt8]) -> HostError?
  ) throws -> RemoteProgram.End {
    let folder = NSTemporaryDirectory() + "zennet-remote-\(UUID().uuidString)"
    try Files.makeFolder(folder)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let listener = Reactor()
    _ = try listener.listen(on: .unix(path: ControlServer.path(folder)))
    let program = try RemoteProgram(
      LiveJob(run: "it", folder: folder, worker: 0), ControlRequest(.exec), input: -1)
    var caller: ConnectionId?
    while caller == nil {
      if case .accepted(_, let id, _) = try listener.next(untilMs: nil) { caller = id }
    }
    listener.send(try #require(caller), frames.flatMap { $0.encode() })
    _ = try listener.next(untilMs: Clock.monotonicMs() + 50)
    return try program.run(output: output)
  }

  private static let printed: [ControlFrame] = [
    .output(isError: false, Array("a".utf8)), .output(isError: true, Array("b".utf8)),
    .ended(status: 3, text: []),
  ]

  @Test func whatItPrintsComesInOrder() throws {
    var heard: [String] = []
    let end = try run(RemoteProgramTests.printed) {
      heard.append(($0 ? "2" : "1") + String(decoding: $1, as: UTF8.self))
      return nil
    }
    #expect(heard == ["1a", "2b"] && end == RemoteProgram.End(status: 3, text: ""))
  }

  /// Its good end may be heard of together with what cannot be printed, and does not make it good.
  @Test func whatCannotBePrintedIsAnErrorThoughItEndedWell() throws {
    var calls = 0
    #expect(throws: RunError.usage(RemoteProgramTests.full.message)) {
      _ = try run(RemoteProgramTests.printed) { _, _ in
        calls += 1
        return RemoteProgramTests.full
      }
    }
    #expect(calls == 1)
    let end = try run(RemoteProgramTests.printed) { _, _ in RemoteProgramTests.unread }
    #expect(end.status == 141)
  }
}
