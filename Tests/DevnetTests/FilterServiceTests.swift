import Bitcoin
import Bytes
import Testing

@testable import Devnet

/// BIP157 over a real socket, on a chain that is longer than any one answer.
@Suite struct FilterServiceTests {
  /// Longer than a range of filter headers, for the test of the limits.
  private static let longChain: UInt32 = 2100

  @Test func filtersHeadersAndCheckpointsAgree() throws {
    let fixture = try FilterFixture(blocks: Self.longChain)
    let hashes = fixture.hashes
    let headers = try fixture.allHeaders()
    #expect(try fixture.checkpoints(hashes[2100]) == [headers[1000], headers[2000]])
    #expect(try fixture.checkpoints(hashes[2000]) == [headers[1000], headers[2000]])
    #expect(try fixture.checkpoints(hashes[1999]) == [headers[1000]])
    #expect(try fixture.checkpoints(hashes[999]).isEmpty)
    let filters = try fixture.filters(from: 1101, to: hashes[2100], count: 1000)
    #expect(filters.map(\.blockHash) == Array(hashes[1101...2100]))
    var previous = headers[1100]
    for (offset, filter) in filters.enumerated() {
      previous = BlockFilter(encoded: filter.filter, blockHash: filter.blockHash)
        .header(previous: previous)
      #expect(previous == headers[1101 + offset])
    }
    try dropsWhoAsksForTooMuchOrForNothing(fixture)
    // Just inside the limits.
    #expect(try fixture.filters(from: 0, to: hashes[999], count: 1000).count == 1000)
    #expect(try fixture.filterHeaders(from: 0, to: hashes[1999]).filterHashes.count == 2000)
    try fixture.devnet.stop()
  }

  private func dropsWhoAsksForTooMuchOrForNothing(_ fixture: FilterFixture) throws {
    let hashes = fixture.hashes
    let unknown = Bytes32([UInt8](repeating: 1, count: 32))
    let bad: [PeerMessage] = [
      .getFilters(FilterRangeRequest(startHeight: 0, stopHash: hashes[1000])),
      .getFilters(FilterRangeRequest(startHeight: 6, stopHash: hashes[5])),
      .getFilters(FilterRangeRequest(startHeight: 0, stopHash: unknown)),
      .getFilters(FilterRangeRequest(filterType: 1, startHeight: 0, stopHash: hashes[5])),
      .getFilterHeaders(FilterRangeRequest(startHeight: 0, stopHash: hashes[2000])),
      .getFilterHeaders(FilterRangeRequest(startHeight: 2101, stopHash: hashes[2100])),
      .getFilterHeaders(FilterRangeRequest(startHeight: 0, stopHash: unknown)),
      .getFilterCheckpoints(filterType: 0, stopHash: unknown),
      .getFilterCheckpoints(filterType: 9, stopHash: hashes[5]),
    ]
    for message in bad {
      let peer = TestPeer(port: fixture.devnet.port)
      _ = try peer.shakeHands()
      peer.send(message)
      #expect(try peer.isDropped())
    }
  }

  @Test func filtersMatchWhatIsPaidAndWhatIsSpent() throws {
    let fixture = try FilterFixture()
    let devnet = fixture.devnet
    let script = Script.p2wsh(witnessScript: [0x51])
    let faucet = try devnet.perform { node throws(DevnetError) in node.faucet.scriptPubKey }
    let txid = try devnet.give(100_000, to: script)
    let paid = try devnet.mine(1, payout: [0x51])[0]
    try devnet.submit(
      Transaction(
        inputs: [TransactionInput(previous: OutPoint(txid: txid, index: 0), witness: [[0x51]])],
        outputs: [TransactionOutput(amountSat: 99_000, scriptPubKey: faucet)]))
    let spent = try devnet.mine(1, payout: [0x51])[0]
    let idle = try devnet.mine(1, payout: [0x51])[0]
    let filters = try fixture.filters(from: 102, to: idle, count: 3).map {
      BlockFilter(encoded: $0.filter, blockHash: $0.blockHash)
    }
    #expect(filters.map(\.blockHash) == [paid, spent, idle])
    #expect(try filters.map { try $0.matches(anyOf: [script]) } == [true, true, false])
    #expect(try filters.map { try $0.matches(anyOf: [faucet]) } == [true, true, false])
    try devnet.stop()
  }

  @Test func servesFiltersOfBlocksThatLeftTheChain() throws {
    let fixture = try FilterFixture()
    let hashes = fixture.hashes
    try fixture.devnet.reorganize(depth: 2)
    let old = try fixture.filterHeaders(from: 99, to: hashes[101])
    #expect(old.filterHashes.count == 3)
    let new = try fixture.filterHeaders(from: 99, to: try fixture.devnet.tipHash)
    #expect(new.filterHashes.count == 4)
    #expect(new.filterHashes[0] == old.filterHashes[0])
    #expect(new.filterHashes[1] != old.filterHashes[1])
    try fixture.devnet.stop()
  }
}

/// A node, a peer of it, and the questions that the peer asks.
private struct FilterFixture {
  let folder: ScratchFolder
  let devnet: RunningDevnet
  let peer: TestPeer
  /// By height.
  let hashes: [Bytes32]

  init(blocks: UInt32 = 101) throws {
    folder = try ScratchFolder()
    var options = DevnetOptions(directory: folder.path)
    options.initialBlocks = blocks
    devnet = try RunningDevnet(options)
    peer = TestPeer(port: devnet.port)
    _ = try peer.shakeHands()
    hashes = try devnet.perform { node throws(DevnetError) in
      (0...node.chain.height).compactMap { node.chain.hash(at: $0) }
    }
  }

  func filterHeaders(from start: UInt32, to stop: Bytes32) throws -> FilterHeadersMessage {
    peer.send(.getFilterHeaders(FilterRangeRequest(startHeight: start, stopHash: stop)))
    return try peer.receive { message -> FilterHeadersMessage? in
      if case .filterHeaders(let headers) = message { return headers }
      return nil
    }
  }

  func filters(from start: UInt32, to stop: Bytes32, count: Int) throws -> [FilterMessage] {
    peer.send(.getFilters(FilterRangeRequest(startHeight: start, stopHash: stop)))
    return try (0..<count).map { _ in
      try peer.receive { message -> FilterMessage? in
        if case .filter(let filter) = message { return filter }
        return nil
      }
    }
  }

  func checkpoints(_ stop: Bytes32) throws -> [Bytes32] {
    peer.send(.getFilterCheckpoints(filterType: 0, stopHash: stop))
    return try peer.receive { message -> [Bytes32]? in
      if case .filterCheckpoints(let checkpoints) = message { return checkpoints.filterHeaders }
      return nil
    }
  }

  /// The filter headers by height, as a client computes them from the hashes.
  func allHeaders() throws -> [Bytes32] {
    var headers: [Bytes32] = []
    var previous = Bytes32.zero
    var start: UInt32 = 0
    while start < 2101 {
      let stop = min(start + 1999, 2100)
      let answer = try filterHeaders(from: start, to: hashes[Int(stop)])
      #expect(answer.previousHeader == previous)
      #expect(answer.filterHashes.count == Int(stop - start) + 1)
      for hash in answer.filterHashes {
        previous = BlockFilter.header(filterHash: hash, previous: previous)
        headers.append(previous)
      }
      start = stop + 1
    }
    return headers
  }
}
