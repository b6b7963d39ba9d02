import Bytes
import Foundation
import Host
import TestSupport
import Testing

@testable import Storage

/// Power fails: of what was written since the last sync of a file, any part may be on the disk, and
/// any of it torn. A recorded run is cut at arbitrary points, and what may be left is opened.
@Suite struct PowerCutTests {
  private enum Event {
    case write(Int, at: Int, [UInt8])
    case truncate(Int, to: Int)
    case sync(Int)
    case told(UInt64)
  }

  /// What the disk holds of a file, and what has been asked of it since.
  private struct DiskFile {
    var bytes: [UInt8] = []
    var pending: [Event] = []

    mutating func apply(_ event: Event, _ random: inout SeededGenerator, isCut: Bool) {
      switch event {
      case .truncate(_, let size):
        if isCut && random.once(in: 2) { return }
        if size < bytes.count { bytes.removeLast(bytes.count - size) }
      case .write(_, let offset, let data):
        let fate = isCut ? random.int(0...2) : 0
        if fate == 1 { return }
        for start in stride(from: 0, to: data.count, by: 512) where fate == 0 || random.once(in: 2)
        {
          let piece = data[start..<min(data.count, start + 512)]
          let end = offset + start + piece.count
          if bytes.count < end { bytes += [UInt8](repeating: 0, count: end - bytes.count) }
          bytes.replaceSubrange(offset + start..<end, with: piece)
        }
      default: break
      }
    }

    mutating func sync(_ random: inout SeededGenerator, isCut: Bool = false) {
      for event in pending { apply(event, &random, isCut: isCut) }
      pending = []
    }
  }

  /// What a process did to a database, beginning with what was there before.
  private struct Recording {
    let scratch: Scratch
    let before: [UInt8]
    var events: [Event] = []

    /// Where what a power cut leaves is put.
    var cut: String { scratch.file("cut.db") }
  }

  private func record(
    _ kind: String, commits: Int, create: (_ path: String) throws -> Void
  ) throws -> Recording {
    let scratch = try Scratch()
    let path = scratch.file("recorded.db")
    try create(path)
    var run = Recording(scratch: scratch, before: try Files.read(path, limit: 10_000_000))
    let log = path + ".record"
    let child = try ChildProcess([CrashTests.hammer, kind, path, log, String(commits)])
    #expect(try child.wait() == .exited(status: 0))
    var reader = ByteReader(try Files.read(log, limit: 200_000_000))
    while !reader.isAtEnd {
      let kind = try reader.u8()
      let file = Int(try reader.u8())
      let offset = try reader.u64le()
      let bytes = try reader.take(Int(try reader.u32le()))
      switch kind {
      case 0: run.events.append(.write(file, at: Int(offset), bytes))
      case 1: run.events.append(.truncate(file, to: Int(offset)))
      case 2: run.events.append(.sync(file))
      default: run.events.append(.told(offset))
      }
    }
    return run
  }

  /// Cuts the power `cuts` times and has `look` look at what is there, which knows what was told.
  private func cutPower(
    _ run: Recording, cuts: Int, seed: UInt64, _ look: (_ told: UInt64) throws -> Void
  ) throws {
    var random = SeededGenerator(seed: seed)
    var points: [Int] = []
    for _ in 0..<cuts { points.append(random.int(0...run.events.count)) }
    points.sort()
    var files = [DiskFile(bytes: run.before), DiskFile()]
    var told: UInt64 = 0
    var next = 0
    for point in points {
      while next < point {
        switch run.events[next] {
        case .write(let file, _, _), .truncate(let file, _):
          files[file].pending.append(run.events[next])
        case .sync(let file): files[file].sync(&random)
        case .told(let number): told = number
        }
        next += 1
      }
      for (index, suffix) in ["", "-wal"].enumerated() {
        var left = files[index]
        left.sync(&random, isCut: true)
        try Data(left.bytes).write(to: URL(fileURLWithPath: run.cut + suffix))
      }
      try? FileManager.default.removeItem(atPath: run.cut + "-shm")
      try look(told)
    }
  }

  /// A payment that was told to be stored is there, however the power went.
  @Test func noPaymentIsLost() throws {
    let run = try record("channel", commits: 120) { _ = try Ledger(path: $0) }
    var losses = 0
    try cutPower(run, cuts: 150, seed: 21) { told in
      let ledger = try Ledger(path: run.cut)
      guard let record = try ledger.channels.load(identifier(7)) else {
        #expect(told == 0)
        return
      }
      #expect(record.sequence == told || record.sequence == told + 1)
      #expect(record.amountSat == record.sequence * 10)
      let state = (0..<600).map { UInt8(truncatingIfNeeded: record.sequence &* 31 &+ UInt64($0)) }
      let isWhole = record.state == state
      #expect(isWhole)
      if record.sequence == told { losses += 1 }
    }
    // Otherwise no commit was cut at all.
    #expect(losses > 20)
  }

  /// What peers can give again may be lost, from its end on; what is there is whole.
  @Test func headersAreWholeAndLostFromTheEnd() throws {
    let run = try record("headers", commits: 80) { _ = try ChainCache(path: $0) }
    var lost = 0
    try cutPower(run, cuts: 100, seed: 22) { told in
      let cache = try ChainCache(path: run.cut)
      #expect(cache.damage == nil)
      guard let chain = try cache.headers.load() else { return }
      let next = chain.baseHeight + UInt32(chain.headerCount)
      #expect((next - 100) % 50 == 0)
      let isWhole =
        chain.headers == (chain.baseHeight..<next).flatMap { header($0) }
        && chain.filterHeaders == (chain.baseHeight..<next).map { filter($0) }
      #expect(isWhole)
      if UInt64(next) < told { lost += 1 }
    }
    #expect(lost > 0)
  }

  /// The same disk that does not wait for its syncs loses payments: these tests would notice.
  @Test func aDiskThatLiesAboutSyncsIsNoticed() throws {
    var run = try record("channel", commits: 40) { _ = try Ledger(path: $0) }
    run.events.removeAll { event in
      if case .sync = event { return true }
      return false
    }
    var troubles = 0
    try cutPower(run, cuts: 20, seed: 23) { told in
      do {
        let ledger = try Ledger(path: run.cut)
        if (try ledger.channels.load(identifier(7))?.sequence ?? 0) < told { troubles += 1 }
      } catch { troubles += 1 }
    }
    #expect(troubles > 10)
  }
}
