import Foundation
import Host
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
      program = try RunProgram(
        folder: folder,
        options: RunOptions(network: "regtest", challenge: nil, peers: [], listen: "127.0.0.1:0"),
        announce: "192.0.2.1:7000", offer: RunTests.offer(), bundles: [[0x42]], former: nil,
        timeline: Timeline(most: 0))
      try program.control.open(path, program.reactor)
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
    _ command: ControlRequest.Command, waits: Bool? = nil
  ) -> ControlFrame {
    var request = ControlRequest(command)
    request.wait = waits
    if command == .program { request.arguments = ["/bin/sh"] }
    return .request(ControlJson.encode(request))
  }

  private static let refusal = ControlFrame.failed(Array("the request is not understood".utf8))

  /// Who waits for the end of jobs has asked its one thing, whatever it asks then, at once or later.
  @Test(arguments: [ControlRequest.Command.program, .stop, .status], [false, true])
  func aSecondRequestIsRefused(_ second: ControlRequest.Command, isAtOnce: Bool) throws {
    let scene = try Scene()
    let client = try scene.connect()
    let stop = ControlServerTests.request(.stop, waits: true)
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
    #expect(last.frames == [ControlServerTests.refusal] && last.isOver)
    // Nobody else is refused for it.
    let other = try scene.connect()
    scene.say([ControlServerTests.request(.status)], other)
    let answer = try scene.hear(other)
    #expect(answer.frames == [.failed(Array("the run has not begun".utf8))] && answer.isOver)
  }

  /// What was answered is over: nothing after it is obeyed.
  @Test func whatFollowsAnAnswerIsNotHeard() throws {
    let scene = try Scene()
    let client = try scene.connect()
    scene.say([ControlServerTests.request(.stop), ControlServerTests.request(.status)], client)
    let heard = try scene.hear(client)
    #expect(heard.frames == [.answer(Array("{}".utf8))] && heard.isOver)
  }
}
