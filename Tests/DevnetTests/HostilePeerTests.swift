import Bitcoin
import Bytes
import TestSupport
import Testing

@testable import Devnet

/// Peers that mean harm, or whose software is broken.
@Suite struct HostilePeerTests {
  // MARK: Without sockets

  private func version() -> PeerMessage {
    .version(
      VersionMessage(
        version: 70016, services: 0, time: 0, nonce: 1, userAgent: [], startHeight: 0, relay: true))
  }

  private func isDropped(_ effects: [PeerEffect]) -> Bool {
    if case .disconnect = effects.last { return true }
    return false
  }

  @Test func silentPeersAreDropped() throws {
    let folder = try ScratchFolder()
    try withChain(folder.path) { view in
      var silent = PeerSession(options: PeerSession.Options(), nowMs: 1000)
      #expect(silent.timerFired(nowMs: 60_999).isEmpty)
      #expect(isDropped(silent.timerFired(nowMs: 61_000)))

      var mute = PeerSession(options: PeerSession.Options(), nowMs: 0)
      let magic = Network.regtest.magic
      for message in [version(), .verack] {
        _ = mute.received(MessageFrame.encode(message, magic: magic), view: view, nowMs: 0)
      }
      #expect(mute.isEstablished)
      #expect(mute.timerFired(nowMs: 119_999).isEmpty)
      guard case .send(.ping(let nonce)) = mute.timerFired(nowMs: 120_000).first else {
        Issue.record("no ping")
        return
      }
      #expect(mute.timerFired(nowMs: 1_319_999).isEmpty)
      #expect(isDropped(mute.timerFired(nowMs: 1_320_000)))
      _ = mute.received(
        MessageFrame.encode(.pong(nonce), magic: magic), view: view, nowMs: 1_320_000)
      #expect(!isDropped(mute.timerFired(nowMs: 1_320_000)))
    }
  }

  @Test func askingForTooMuchEndsIt() throws {
    let folder = try ScratchFolder()
    try withChain(folder.path) { view in
      var session = PeerSession(options: PeerSession.Options(), nowMs: 0)
      let item = InventoryVector(kind: InventoryVector.Kind.block, hash: view.chain.tipHash)
      let many = PeerMessage.getData([InventoryVector](repeating: item, count: 50_000))
      var answers: [Bool] = []
      for message in [version(), .verack, many, many, many] {
        let bytes = MessageFrame.encode(message, magic: Network.regtest.magic)
        answers.append(isDropped(session.received(bytes, view: view, nowMs: 0)))
      }
      #expect(answers == [false, false, false, false, true])
    }
  }

  /// Streams of good messages with a few bytes changed: nothing traps, nothing grows without bound.
  @Test func survivesChangedBytes() throws {
    let folder = try ScratchFolder()
    try withChain(folder.path) { view in
      let hash = view.chain.tipHash
      let messages: [PeerMessage] = [
        version(), .wtxidRelay, .verack, .sendHeaders, .ping(3), .feeFilter(1000),
        .getHeaders(locator: [hash], stop: .zero),
        .getData([InventoryVector(kind: InventoryVector.Kind.witnessBlock, hash: hash)]),
        .getFilters(FilterRangeRequest(startHeight: 0, stopHash: hash)),
        .getFilterHeaders(FilterRangeRequest(startHeight: 0, stopHash: hash)),
        .getFilterCheckpoints(filterType: 0, stopHash: hash),
        .inv([InventoryVector(kind: InventoryVector.Kind.witnessId, hash: hash)]),
        .transaction(
          Transaction(
            inputs: [TransactionInput(previous: OutPoint(txid: hash, index: 0), witness: [[1]])],
            outputs: [TransactionOutput(amountSat: 1, scriptPubKey: [0x51])])),
      ]
      let stream = messages.flatMap { MessageFrame.encode($0, magic: Network.regtest.magic) }
      var random = SeededGenerator(seed: 11)
      var dropped = 0
      for _ in 0..<2000 {
        var bytes = stream
        for _ in 0..<random.int(1...3) {
          bytes[random.int(0...(bytes.count - 1))] = UInt8(random.int(0...255))
        }
        var session = PeerSession(options: PeerSession.Options(), nowMs: 0)
        var start = 0
        while start < bytes.count {
          let end = min(bytes.count, start + random.int(1...200))
          let effects = session.received(Array(bytes[start..<end]), view: view, nowMs: 0)
          start = end
          if isDropped(effects) {
            dropped += 1
            break
          }
          while session.nextObject(view) != nil {}
        }
      }
      #expect(dropped > 1000)
    }
  }

  private func withChain(_ directory: String, _ body: (PeerView) throws -> Void) throws {
    let chain = try Chain(directory: directory)
    for _ in 0..<3 { _ = try chain.accept(try chain.candidate().bytes()) }
    try body(PeerView(chain: chain, mempool: Mempool(chain: chain), unixSeconds: 0))
  }

  // MARK: With sockets

  @Test func aPeerThatDoesNotReadCostsLittle() throws {
    let folder = try ScratchFolder()
    let devnet = try RunningDevnet(DevnetOptions(directory: folder.path))
    let greedy = TestPeer(port: devnet.port)
    _ = try greedy.shakeHands()
    let item = InventoryVector(
      kind: InventoryVector.Kind.witnessBlock, hash: try devnet.tipHash)
    greedy.send(.getData([InventoryVector](repeating: item, count: 50_000)))
    greedy.flush()
    // Meanwhile the others are served.
    let modest = TestPeer(port: devnet.port)
    _ = try modest.shakeHands()
    modest.send(.getData([item]))
    _ = try modest.receive { message -> Bool? in
      if case .block = message { return true }
      return nil
    }
    let unsent = try devnet.perform { node throws(DevnetError) in
      node.sessions.keys.map { node.reactor.pendingBytes($0) }.max() ?? 0
    }
    #expect(unsent < 5_000_000)
    try devnet.stop()
  }

  @Test func invalidBlocksLeaveNoTrace() throws {
    let folder = try ScratchFolder()
    let devnet = try RunningDevnet(DevnetOptions(directory: folder.path))
    let txid = try devnet.give(100_000, to: Script.p2wsh(witnessScript: [0x51]))
    try devnet.mine(1)
    let tip = try devnet.tipHash
    // A block that spends with the wrong script, and one on top of it.
    let thief = Transaction(
      inputs: [TransactionInput(previous: OutPoint(txid: txid, index: 0), witness: [[0x52]])],
      outputs: [TransactionOutput(amountSat: 90_000, scriptPubKey: [0x51])])
    let time = try #require(try devnet.block(at: 102)).header.time
    let bad = BlockMaker.make(
      BlockMaker.Template(
        previous: tip, height: 103, time: time + 1, payout: [0x51], transactions: [thief],
        feesSat: 10_000))
    let onTop = BlockMaker.make(
      BlockMaker.Template(previous: bad.hash, height: 104, time: time + 2, payout: [0x51]))
    #expect(throws: DevnetError.self) { try devnet.submit(block: bad) }
    #expect(throws: DevnetError.self) { try devnet.submit(block: onTop) }
    #expect(try devnet.tipHash == tip)
    try devnet.mine(1)
    #expect(try devnet.height == 103)
    try devnet.stop()
    let again = try RunningDevnet(DevnetOptions(directory: folder.path))
    #expect(try again.height == 103)
    try again.stop()
  }

  @Test func twoNodesServeOneChain() throws {
    let folder = try ScratchFolder()
    let first = try RunningDevnet(DevnetOptions(directory: folder.path + "/1"))
    var options = DevnetOptions(directory: folder.path + "/2")
    options.initialBlocks = 0
    let second = try RunningDevnet(options)
    #expect(try second.height == 0)
    try second.copyChain(of: first)
    #expect(try second.tipHash == first.tipHash)
    try first.reorganize(depth: 5)
    try second.copyChain(of: first)
    try second.copyChain(of: first)
    #expect(try second.tipHash == first.tipHash)
    #expect(try second.height == 102)
    try first.stop()
    try second.stop()
  }
}
