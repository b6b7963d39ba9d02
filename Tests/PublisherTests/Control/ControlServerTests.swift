import Foundation
import Hiring
import Host
import Market
import TestSupport
import Testing

@testable import Publisher

/// The socket of a run, as other programs find it: a real one, in a run's folder.
struct ControlServerTests {
  /// A run that has not begun, its server, and clients of it.
  private final class Scene {
    let path = NSTemporaryDirectory() + "zennet-control-\(UUID().uuidString)"
    let program: RunProgram
    private var clients: [Int32] = []

    init() throws {
      let folder = try RunFolder(path: path, network: .regtest, makesWallet: true)
      var options = StoredRun.options(map: nil)
      options.peers = []
      var request = RunRequest(
        offer: StoredRun.offer(workers: 2), options: options, maxLossSat: 1000)
      request.setBundles([[0x42]])
      request.announce = "192.0.2.1:7000"
      program = try RunProgram(folder: folder, request: request, timeline: Timeline(most: 0))
      try program.control.open(path, program.reactor)
    }

    /// Its tasks are there, and nobody is hired for them yet.
    func begin() throws {
      let known = Market.Endpoint(text: "192.0.2.1:7000")
      let endpoint = try #require(known)
      try program.work.begin(
        program.request.plan(endpoint, feeRateSatPerKvB: 1000), listen: "127.0.0.1:1", program.now)
    }

    deinit {
      for client in clients { close(client) }
      try? FileManager.default.removeItem(atPath: path)
    }

    func connect() throws -> Int32 {
      let client = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      clients.append(client)
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: (path + "/control").utf8) }
      let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          Foundation.connect(client, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
      }
      try #require(result == 0)
      return client
    }

    func say(_ frames: [ControlFrame], _ client: Int32) {
      let bytes = frames.flatMap { $0.encode() }
      #expect(write(client, bytes, bytes.count) == bytes.count)
    }

    /// What the server says until it hangs up, or has nothing more to say.
    func hear(_ client: Int32) throws -> (frames: [ControlFrame], isOver: Bool) {
      var reader = ControlFrames()
      var heard: [ControlFrame] = []
      var isOver = false
      // It reads all that was said before it has nothing to do.
      while let event = try program.reactor.next(untilMs: Clock.monotonicMs() + 200) {
        _ = program.control.handle(event, program)
      }
      var bytes = [UInt8](repeating: 0, count: 4096)
      while !isOver {
        let got = recv(client, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        if got < 0 { break }
        isOver = got == 0
        reader.append(Array(bytes[0..<got]))
        while let frame = reader.next() { heard.append(frame) }
      }
      return (heard, isOver)
    }
  }

  private static func request(
    _ command: ControlRequest.Command, waits: Bool? = nil, worker: UInt16? = nil,
    task: UInt32? = nil
  ) -> ControlFrame {
    var request = ControlRequest(command)
    request.wait = waits
    request.worker = worker
    request.task = task
    if command == .exec { request.arguments = ["/bin/sh"] }
    return .request(ControlJson.encode(request))
  }

  private static func failure(_ text: String) -> ControlFrame { .failed(Array(text.utf8)) }

  /// Who waits for the end of tasks has asked its one thing, whatever it asks then, at once or later.
  @Test(arguments: [ControlRequest.Command.exec, .stop, .status], [false, true])
  func aSecondRequestIsRefused(_ second: ControlRequest.Command, isAtOnce: Bool) throws {
    let scene = try Scene()
    try scene.begin()
    let client = try scene.connect()
    // A task that has no end as long as nobody asks the machine for its effects.
    let stop = ControlServerTests.request(.stop, waits: true, worker: 0)
    if isAtOnce {
      scene.say([stop, ControlServerTests.request(second)], client)
    } else {
      scene.say([stop], client)
      let first = try scene.hear(client)
      // It waits.
      #expect(first.frames.isEmpty && !first.isOver)
      scene.say([ControlServerTests.request(second)], client)
    }
    let last = try scene.hear(client)
    #expect(last.frames == [ControlServerTests.failure("the request is invalid")])
    #expect(last.isOver)
    // Nobody else is refused for it.
    let other = try scene.connect()
    scene.say([ControlServerTests.request(.status)], other)
    let answer = try scene.hear(other)
    guard case .answer(let json)? = answer.frames.first else {
      Issue.record("\(answer.frames)")
      return
    }
    let status = try #require(ControlJson.decode(RunStatus.self, json))
    #expect(status.wanted == 2 && status.tasks.all == 2 && !status.map)
  }

  /// What was answered is over: nothing after it is obeyed.
  @Test func whatFollowsAnAnswerIsNotHeard() throws {
    let scene = try Scene()
    try scene.begin()
    let client = try scene.connect()
    scene.say([ControlServerTests.request(.status), ControlServerTests.request(.stop)], client)
    let heard = try scene.hear(client)
    #expect(heard.frames.count == 1 && heard.isOver)
  }

  @Test func whatCannotBeIsRefusedWithAReason() throws {
    let scene = try Scene()
    func answer(_ request: ControlFrame) throws -> [ControlFrame] {
      let client = try scene.connect()
      scene.say([request], client)
      return try scene.hear(client).frames
    }
    let exec = ControlServerTests.request(.exec, worker: 1)
    #expect(try answer(exec) == [ControlServerTests.failure("the run has not begun")])
    try scene.begin()
    #expect(try answer(exec) == [ControlServerTests.failure("no task is running on worker 1")])
    for command in [ControlRequest.Command.exec, .stop] {
      let frame = ControlServerTests.request(command, worker: 2)
      #expect(try answer(frame) == [ControlServerTests.failure("there is no worker 2")])
    }
    let task = ControlServerTests.request(.stop, task: 2)
    #expect(try answer(task) == [ControlServerTests.failure("there is no task 2")])
  }

  /// Whoever waits for a stop is told how each task ended.
  @Test func aStopIsAnsweredWhenItsTasksHaveEnded() throws {
    let scene = try Scene()
    try scene.begin()
    let client = try scene.connect()
    scene.say([ControlServerTests.request(.stop, waits: true)], client)
    #expect(try scene.hear(client).frames.isEmpty)
    scene.program.control.taskEnded(1, exit: "stopped-by-publisher", scene.program)
    #expect(try scene.hear(client).frames.isEmpty)
    scene.program.control.taskEnded(0, exit: "exited", scene.program)
    let heard = try scene.hear(client)
    guard case .answer(let json)? = heard.frames.first else {
      Issue.record("\(heard.frames)")
      return
    }
    let name = RunFolder.name(try #require(scene.program.work.pool))
    #expect(
      ControlJson.decode([StoppedTask].self, json) == [
        StoppedTask(job: name + "/0", exit: "exited"),
        StoppedTask(job: name + "/1", exit: "stopped-by-publisher"),
      ])
  }
}
