import Bitcoin
import Bytes
import Foundation
import Host
import TestSupport
import Testing

@testable import Devnet

/// `zennet devnet run` as its own process, killed while it works.
private final class NodeProcess {
  private static let program: String = {
    let beside = [Bundle.main.bundlePath, CommandLine.arguments[0]].map {
      Files.parent(of: $0) + "/zennet"
    }
    return beside.first { Files.exists($0) } ?? ".build/debug/zennet"
  }()

  let directory: String
  private let child: ChildProcess
  private let output: Descriptor

  /// Starts the node and waits until it listens.
  init(_ directory: String) throws {
    self.directory = directory
    let pipe = try Descriptor.pipe()
    output = pipe.reading
    child = try ChildProcess(
      [Self.program, "devnet", "run", "--data", directory, "--port", "0", "--json"],
      output: pipe.writing.fd)
    pipe.writing.close()
    var text = ""
    while !text.contains("\"listening\"") {
      guard case .bytes(let bytes) = try output.read(limit: 65_536) else {
        throw DevnetError.control("the node ended before it listened: \(text)")
      }
      text += String(decoding: bytes, as: UTF8.self)
    }
  }

  func ask(
    _ command: ControlRequest.Command, _ fill: (inout ControlRequest) -> Void = { _ in }
  ) throws -> ControlResponse {
    var request = ControlRequest(command)
    fill(&request)
    return try ControlClient.ask(request, directory: directory)
  }

  /// SIGKILL, and the end of the process.
  func kill() throws {
    child.kill(.kill)
    _ = try child.wait()
  }
}

@Suite struct CrashTests {
  /// Ten times: blocks and payments, an unfinished request, SIGKILL. What the node had told anybody
  /// is still there, and it goes on.
  @Test func losesNoBlockThatItToldOf() throws {
    let folder = try ScratchFolder()
    var random = SeededGenerator(seed: 7)
    var told: [String] = []
    for round in 0..<10 {
      let node = try NodeProcess(folder.path)
      if round == 0 { #expect(try node.ask(.tip).height == 101) }
      for (offset, hash) in told.enumerated() {
        let block = try node.ask(.block) { $0.block = String(102 + offset) }.block
        #expect(block?.hash == hash)
      }
      // Blocks of an unfinished request may be there too; they count from now on.
      let height = try #require(try node.ask(.tip).height)
      while told.count < Int(height) - 101 {
        let next = 102 + told.count
        told.append(try #require(try node.ask(.block) { $0.block = String(next) }.block).hash)
      }
      _ = try node.ask(.faucet) {
        $0.address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
        $0.amountSat = 10_000
      }
      told += try #require(try node.ask(.mine) { $0.count = UInt32(random.int(1...5)) }.hashes)
      let directory = folder.path
      let unfinished = Thread {
        var request = ControlRequest(.mine)
        request.count = 200
        _ = try? ControlClient.ask(request, directory: directory)
      }
      unfinished.start()
      Thread.sleep(forTimeInterval: Double(random.int(0...30)) / 1000)
      try node.kill()
      while !unfinished.isFinished { Thread.sleep(forTimeInterval: 0.005) }
    }
    let last = try NodeProcess(folder.path)
    let tip = try last.ask(.tip)
    #expect(Int(tip.height ?? 0) >= 101 + told.count)
    #expect(try last.ask(.mine).height == (tip.height ?? 0) + 1)
    try last.kill()
  }
}
