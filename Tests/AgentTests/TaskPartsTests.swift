import Bitcoin
import Bytes
import Crypto
import Market
import Session
import TestSupport
import Testing

@testable import Agent

private func line(_ number: UInt32, cpuMs: UInt64 = 1) -> TaskLine {
  TaskLine(number: number, kind: .exited, status: 0, usage: UsageVector(cpuMs: cpuMs, wallMs: 5))
}

private func order(_ number: UInt32, bundle: Bytes32 = .zero) -> TaskOrder {
  TaskOrder(
    number: number, bundles: [BundleRef(digest: bundle, sizeBytes: 1)],
    arguments: [Array("x".utf8)],
    limits: TaskLimits(memoryMiB: 8, milliCpus: 100, pids: 4, diskMiB: 1, wallMs: 1000))
}

@Suite struct LineLogTests {
  @Test func theChainHoldsThroughAcknowledgements() throws {
    var log = LineLog()
    var whole = LineLog()
    for number in UInt32(1)...20 {
      log.append(line(number, cpuMs: UInt64(number)))
      whole.append(line(number, cpuMs: UInt64(number)))
      if number % 5 == 0 { _ = log.acknowledge(number - 2) }
    }
    #expect(log.count == 20 && log.chain == whole.chain && log.usage == whole.usage)
    #expect(log.usage.cpuMs == 210)
    #expect(log.stored == 18 && log.pending.map { $0.number } == [19, 20])
    #expect(log.chain(after: 19) == whole.chain(after: 19))
    #expect(log.chain(after: 17) == nil)
    #expect(log.chain(after: 21) == nil)
    #expect(log.lines(from: 19).map { $0.number } == [20])
    // What was not made cannot be held.
    let none = log.acknowledge(21)
    #expect(none.isEmpty && log.stored == 18)
    let two = log.acknowledge(20)
    #expect(two == [19, 20])
    #expect(log.storedChain == log.chain && log.storedUsage == log.usage)
  }

  @Test func itGoesOnFromItsSums() {
    var whole = LineLog()
    for number in UInt32(1)...6 { whole.append(line(number)) }
    var log = whole
    _ = log.acknowledge(4)
    var sums = LeaseSums()
    sums.lines = log.stored
    sums.chain = log.storedChain
    sums.usage = log.storedUsage
    sums.lastLine = log.storedLast
    let read = LeaseSums.decode(sums.encode())
    #expect(read == sums)
    var again = LineLog(read!)
    again.append(line(5))
    again.append(line(6))
    #expect(again.chain == whole.chain && again.usage == whole.usage && again.count == 6)
  }
}

@Suite struct TaskRowTests {
  @Test func rowsComeBack() {
    for row in [TaskRow.order(order(7)), .line(line(9), ordinal: 3)] {
      #expect(TaskRow.decode(row.encode()) == row)
      for cut in 0..<row.encode().count {
        #expect(TaskRow.decode(Array(row.encode().prefix(cut))) == nil)
      }
    }
  }

  @Test func deletionsWaitForCompany() {
    var rows = PendingRows()
    rows.deleteLater(1)
    let nothing = rows.take(LeaseSums())
    #expect(rows.isEmpty && nothing.isEmpty)
    rows.put(.order(order(2)))
    rows.put(.line(line(2), ordinal: 0))
    let taken = rows.take(LeaseSums())
    #expect(taken.map { $0.number } == [1, 2, 0])
    #expect(taken[0].body.isEmpty)
    #expect(TaskRow.decode(taken[1].body) == .line(line(2), ordinal: 0))
    #expect(rows.isEmpty)
    for number in UInt32(1)...256 { rows.deleteLater(number) }
    #expect(!rows.isEmpty)
  }
}

@Suite struct BundleShelfTests {
  private func ref(_ bytes: [UInt8]) -> BundleRef {
    BundleRef(digest: Sha256.hash(bytes), sizeBytes: UInt64(bytes.count))
  }

  private func fill(_ shelf: inout BundleShelf, _ bytes: [UInt8], _ stream: UInt32) {
    let offset = shelf.want(ref(bytes), isRepeated: false)
    #expect(offset == 0)
    shelf.opened(ref(bytes).digest, StreamId(raw: stream))
    let received = shelf.received(bytes, on: StreamId(raw: stream))
    #expect(received?.receipt == .whole(digest: ref(bytes).digest))
  }

  @Test func aPullGoesOnAfterABrokenConnection() {
    var shelf = BundleShelf(diskMiB: 1)
    let bytes = [UInt8](repeating: 5, count: 1000)
    let first = shelf.want(ref(bytes), isRepeated: false)
    shelf.opened(ref(bytes).digest, StreamId(raw: 1))
    let second = shelf.want(ref(bytes), isRepeated: false)
    #expect(first == 0 && second == nil, "it is on its way")
    let part = shelf.received(Array(bytes.prefix(400)), on: StreamId(raw: 1))
    #expect(part?.receipt == .part(digest: ref(bytes).digest) && part?.wanted == 400)
    shelf.disconnected()
    let lost = shelf.received([5], on: StreamId(raw: 1))
    #expect(lost == nil)
    let third = shelf.want(ref(bytes), isRepeated: true)
    #expect(third == 400)
    shelf.opened(ref(bytes).digest, StreamId(raw: 3))
    let rest = shelf.received(Array(bytes.suffix(600)), on: StreamId(raw: 3))
    #expect(rest?.receipt == .whole(digest: ref(bytes).digest))
    #expect(shelf.isHeld(ref(bytes).digest))
  }

  @Test func whatIsNotItsDigestIsThrownAway() {
    var shelf = BundleShelf(diskMiB: 1)
    let bytes: [UInt8] = [1, 2, 3]
    for wrong in [[1, 2, 4], [1, 2, 3, 4]] as [[UInt8]] {
      _ = shelf.want(ref(bytes), isRepeated: false)
      shelf.opened(ref(bytes).digest, StreamId(raw: 1))
      let received = shelf.received(wrong, on: StreamId(raw: 1))
      #expect(received?.receipt == .wrong(digest: ref(bytes).digest))
      #expect(shelf.usedBytes == 0)
    }
  }

  @Test func theLeastRecentlyUsedGoesUnreferencedFirst() {
    var shelf = BundleShelf(diskMiB: 1)
    let all = (0..<4).map { [UInt8](repeating: UInt8($0), count: 300_000) }
    for index in 0..<3 { fill(&shelf, all[index], UInt32(index + 1)) }
    shelf.used([ref(all[0])])
    let third = ref(all[3])
    var dropped = shelf.makeRoom(
      for: third, pinned: [], referenced: [ref(all[1]).digest], mayEvict: false)
    #expect(dropped == [ref(all[2]).digest])
    fill(&shelf, all[3], 9)
    // All that is left is referenced or pinned.
    let again = ref(all[2])
    dropped = shelf.makeRoom(
      for: again, pinned: [ref(all[0]).digest],
      referenced: [ref(all[1]).digest, ref(all[3]).digest], mayEvict: false)
    var offset = shelf.want(again, isRepeated: false)
    #expect(dropped.isEmpty && offset == nil)
    dropped = shelf.makeRoom(
      for: again, pinned: [ref(all[0]).digest],
      referenced: [ref(all[1]).digest, ref(all[3]).digest], mayEvict: true)
    #expect(dropped == [ref(all[1]).digest])
    offset = shelf.want(again, isRepeated: false)
    #expect(offset == 0)
  }
}

@Suite struct ResultShelfTests {
  @Test func resultsGoOutAndAreFetched() {
    var shelf = ResultShelf()
    shelf.add(3, sizeBytes: 100_000)
    let isOpen = [
      shelf.open(4, StreamId(raw: 2), offset: 0), shelf.open(3, StreamId(raw: 2), offset: 40_000),
    ]
    #expect(isOpen == [false, true])
    var reads = shelf.nextReads()
    #expect(reads.count == 1 && reads[0].offset == 40_000)
    reads = shelf.nextReads()
    #expect(reads.isEmpty)
    let stream = shelf.read(3, offset: 40_000)
    #expect(stream == StreamId(raw: 2))
    shelf.taken(3, 10_000, of: 60_000)
    reads = shelf.nextReads()
    #expect(reads.isEmpty, "the stream is full")
    shelf.roomAvailable()
    reads = shelf.nextReads()
    #expect(reads.first?.offset == 50_000)
    _ = shelf.read(3, offset: 50_000)
    shelf.taken(3, 50_000, of: 50_000)
    #expect(shelf.sent == [StreamId(raw: 2)])
    #expect(shelf.heldBytes == 100_000)
    let fetched = shelf.fetched(StreamId(raw: 2))
    #expect(fetched == 3 && shelf.isEmpty)
  }
}

@Suite struct TaskTableTests {
  @Test func tasksStartInOrderAndWithinTheShare() {
    let table = TaskTable(
      ShareLimits(memoryMiB: 20, milliCpus: 1000, pids: 100, diskMiB: 4), lastNumber: 0)
    for number in UInt32(1)...3 { table.add(LeaseTask(order(number), contract: .zero)) }
    #expect(table.fits(order(1), heldBytes: 0))
    table.tasks[0].phase = .starting(order(1), stop: nil)
    #expect(table.fits(order(2), heldBytes: 0))
    table.tasks[1].phase = .starting(order(2), stop: nil)
    #expect(!table.fits(order(3), heldBytes: 0))
    #expect(table.next?.number == 3 && table.queued == 1 && table.active == 2)
    table.tasks[0].phase = .ended(line(1))
    #expect(table.fits(order(3), heldBytes: 4 << 20))
    #expect(!table.fits(order(3), heldBytes: 5 << 20), "results wait in the share's memory")
  }
}
