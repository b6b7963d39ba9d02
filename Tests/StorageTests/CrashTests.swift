import Bytes
import Foundation
import Host
import TestSupport
import Testing

@testable import Storage

/// A process that writes without a pause is killed at arbitrary moments, again and again.
@Suite struct CrashTests {
  /// The program beside this one in the build folder.
  static let hammer: String = {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? own
    let beside = [bundle, own].map { Files.parent(of: $0) + "/storage-hammer" }
    return beside.first { Files.exists($0) } ?? ".build/debug/storage-hammer"
  }()

  /// Runs the hammer for a while, kills it, and returns the last number that it told.
  private func strike(_ kind: String, _ path: String, lines: Int) throws -> UInt64? {
    let pipe = try Descriptor.pipe()
    let child = try ChildProcess([CrashTests.hammer, kind, path], output: pipe.writing.fd)
    pipe.writing.close()
    var told: [UInt8] = []
    while told.count(where: { $0 == 0x0a }) < lines {
      guard case .bytes(let more) = try pipe.reading.read(limit: 64) else { break }
      told += more
    }
    child.kill(.kill)
    #expect(try child.wait() == .killed(signal: 9))
    while case .bytes(let more) = try pipe.reading.read(limit: 4096) { told += more }
    let numbers = String(decoding: told, as: UTF8.self).split(separator: "\n")
    return numbers.last.flatMap { UInt64($0) }
  }

  @Test func noPaymentThatWasConfirmedIsLost() throws {
    let scratch = try Scratch()
    let path = scratch.file("ledger.db")
    var random = SeededGenerator(seed: 11)
    let contract = identifier(7)
    var last: UInt64 = 0
    for _ in 0..<25 {
      let told = try strike("channel", path, lines: random.int(1...12))
      let ledger = try Ledger(path: path)
      let record = try #require(try ledger.channels.load(contract))
      #expect(record.sequence >= last)
      // Between a commit and its line there is room for one.
      if let told { #expect(record.sequence == told || record.sequence == told + 1) }
      #expect(record.amountSat == record.sequence * 10)
      #expect(
        record.state
          == (0..<600).map { UInt8(truncatingIfNeeded: record.sequence &* 31 &+ UInt64($0)) })
      last = record.sequence
    }
    #expect(last > 25)
  }

  @Test func batchesOfHeadersAreWhole() throws {
    let scratch = try Scratch()
    let path = scratch.file("chain.db")
    var random = SeededGenerator(seed: 12)
    for _ in 0..<25 {
      let told = try #require(try strike("headers", path, lines: random.int(1...12)))
      let cache = try ChainCache(path: path)
      #expect(cache.damage == nil)
      let chain = try #require(try cache.headers.load())
      let next = chain.baseHeight + UInt32(chain.headerCount)
      #expect(UInt64(next) >= told && (next - 100) % 50 == 0)
      #expect(chain.headers == (chain.baseHeight..<next).flatMap { header($0) })
      #expect(chain.filterHeaders == (chain.baseHeight..<next).map { filter($0) })
      let expected = (0..<32).map {
        UInt8(truncatingIfNeeded: chain.baseHeight >> UInt32($0 % 4 * 8))
      }
      #expect(chain.workBefore == expected)
    }
  }
}
