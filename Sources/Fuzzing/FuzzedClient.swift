import Bitcoin
import Bytes
import LightClient

/// A light client, the peers that the fuzzer plays, and the disk that its driver keeps.
struct FuzzedClient {
  private static let chain = SampleChain.shared
  private static let startSeconds = UInt64(Network.regtest.genesis.time) + 7200

  private var client: LightClient
  private var nowMs: UInt64 = 0
  private var connected: [PeerId: MessageFramer] = [:]
  private var used: Set<UInt32> = []
  /// What the client asked of each peer, and no honest answer was given to yet.
  private var asked: [PeerId: [PeerMessage]] = [:]
  private var disk = LightClientState.fresh

  private static var configuration: LightClientConfiguration {
    var configuration = LightClientConfiguration()
    configuration.peers = (1...3).map { address($0) }
    configuration.usesGossip = true
    configuration.filterBatch = 4
    return configuration
  }

  private static func address(_ number: UInt32) -> PeerAddress {
    PeerAddress(ip: [198, 51, UInt8(number & 255), 1], port: 18444)!
  }

  init(state: LightClientState = .fresh) {
    client = LightClient(
      network: .regtest, configuration: FuzzedClient.configuration, state: state, seed: 1,
      nowMs: 0, unixSeconds: FuzzedClient.startSeconds)
  }

  /// Begins with what `state` was made of, which the client has thrown away as far as it is not sound.
  mutating func drainDamaged() throws(FuzzFinding) {
    while let effect = client.nextEffect() {
      if case .storeHeaders(let from, _, _) = effect, from > 0 {
        try require(client.baseHeight <= from, "what is stored again is what is kept")
      }
    }
    try require(client.blockHash(at: client.tipHeight) == client.tipHash, "the tip is there")
    try require(!client.isSynced, "nobody was asked yet")
  }

  /// One honest node, whose chain goes on where the damaged one may have ended.
  mutating func followHonestNode() throws(FuzzFinding) {
    // What claims a base that never was cannot join any chain, and says so for ever.
    if client.baseHeight > 0 { return }
    let id = PeerId(1)
    client.watch(SampleChain.scripts[0], fromHeight: 1)
    connect(id)
    say([SampleChain.version, .verack], id)
    for _ in 0..<40 {
      while let effect = client.nextEffect() {
        if case .send(let to, let bytes) = effect { try sent(bytes, to) }
      }
      if client.isSynced { break }
      answer(id, FuzzedClient.chain.best)
      nowMs += 1000
      client.timerFired(nowMs: nowMs, unixSeconds: unixSeconds)
    }
    let isBanned = !client.peers.contains { $0.id == id }
    try require(
      isBanned || (client.tipHash == FuzzedClient.chain.best.last?.hash && client.isSynced),
      "an honest node is followed whatever lay on the disk")
  }

  private var unixSeconds: UInt64 { FuzzedClient.startSeconds + nowMs / 1000 }

  // MARK: What happens

  mutating func step(_ input: inout FuzzInput) {
    let choice = input.below(16)
    switch choice {
    case 8: client.watch(SampleChain.scripts[input.below(3)], fromHeight: UInt32(input.u8()))
    case 9: client.unwatch(SampleChain.scripts[input.below(3)])
    case 10: client.broadcast(input.below(2) == 0 ? Samples.transaction : Samples.close)
    case 11: client.forget(input.below(2) == 0 ? Samples.transaction.txid : Samples.close.txid)
    case 12:
      nowMs += UInt64(input.u16()) * 20
      client.timerFired(nowMs: nowMs, unixSeconds: unixSeconds)
    default: stepOfPeer(choice, PeerId(UInt32(input.below(6))), &input)
    }
  }

  private mutating func stepOfPeer(_ choice: Int, _ id: PeerId, _ input: inout FuzzInput) {
    let chain = FuzzedClient.chain
    let branch = choice < 4 || input.below(2) == 0 ? chain.best : chain.other
    let block = branch[choice < 4 ? 0 : input.below(branch.count)]
    switch choice {
    case 0: connect(id)
    case 1: say([SampleChain.version, .verack], id)
    case 2: answer(id, input.below(2) == 0 ? chain.best : chain.other)
    case 3:
      connected[id] = nil
      client.peerDisconnected(id, nowMs: nowMs, unixSeconds: unixSeconds)
    case 4:
      let count = input.below(13)
      var headers = branch.drop { $0 != block }.prefix(count).map(\.header)
      if input.below(4) == 3, !headers.isEmpty { headers[headers.count / 2].time ^= 1 << 20 }
      say([.headers(headers)], id)
    case 5:
      let wish = FilterRangeRequest(startHeight: UInt32(input.below(12)), stopHash: block.hash)
      var answers = chain.answers(.getFilterHeaders(wish), follows: branch)
      if input.below(4) == 3, case .filterHeaders(var message)? = answers.first {
        message.filterHashes[0] = .zero
        answers = [.filterHeaders(message)]
      }
      say(answers, id)
    case 6:
      var encoded = chain.filter(block).encoded
      if input.below(4) == 3 { encoded = input.piece() }
      say([.filter(FilterMessage(blockHash: block.hash, filter: encoded))], id)
    case 7:
      var block = block
      if input.below(4) == 3 { block.transactions.append(Samples.close) }
      say([.block(block)], id)
    case 13:
      let stream = PeerSamples.stream(&input)
      client.received(stream, from: id, nowMs: nowMs, unixSeconds: unixSeconds)
    case 14:
      let kind = [1, 2, 5, 0x4000_0001, 0x4000_0002][input.below(5)] as UInt32
      let hashes = [block.hash, Samples.transaction.txid, Samples.close.txid]
      let items = hashes.map { InventoryVector(kind: kind, hash: $0) }
      say([[.inv(items)], [.getData(items)], [.notFound(items)]][input.below(3)], id)
    default:
      let command = PeerSamples.commands[input.below(PeerSamples.commands.count)]
      let frame = PeerSamples.frame(command: command, payload: input.piece())
      client.received(frame, from: id, nowMs: nowMs, unixSeconds: unixSeconds)
    }
  }

  private mutating func connect(_ id: PeerId) {
    if !used.insert(id.value).inserted { return }
    connected[id] = MessageFramer(magic: Network.regtest.magic)
    client.peerConnected(
      id, address: FuzzedClient.address(id.value), nowMs: nowMs, unixSeconds: unixSeconds)
  }

  private mutating func say(_ messages: [PeerMessage], _ id: PeerId) {
    for message in messages {
      let bytes = MessageFrame.encode(message, magic: Network.regtest.magic)
      client.received(bytes, from: id, nowMs: nowMs, unixSeconds: unixSeconds)
    }
  }

  private mutating func answer(_ id: PeerId, _ branch: [Block]) {
    let requests = asked[id] ?? []
    asked[id] = []
    for request in requests { say(FuzzedClient.chain.answers(request, follows: branch), id) }
  }

  // MARK: What must hold

  mutating func drain() throws(FuzzFinding) {
    var count = 0
    while let effect = client.nextEffect() {
      count += 1
      try require(count < 10_000, "effects come to an end")
      switch effect {
      case .send(let id, let bytes): try sent(bytes, id)
      case .disconnect(let id, _): connected[id] = nil
      case .setTimer(let atMs): try require(atMs > nowMs, "a timer is in the future")
      case .storeHeaders(let from, let headers, let work):
        try storeHeaders(from, headers, work)
      case .storeFilterHeaders(let from, let headers):
        let index = try place(from, disk.filterHeaders.count)
        disk.filterHeaders.removeSubrange(index...)
        disk.filterHeaders += headers
      case .dropHeaders: throw FuzzFinding(broken: "a short chain is kept whole")
      case .storePeers(let peers): disk.peers = peers
      case .connect, .lookUpSeeds, .event: break
      }
    }
    try require(
      client.blockHash(at: client.tipHeight) == client.tipHash, "the tip is on the best chain")
    try require(client.tipHeight <= 11, "only blocks that were mined are believed")
    try require(client.scannedHeight <= client.tipHeight, "no more is scanned than there is")
    try require(client.peers.count <= 16, "peers are bounded")
  }

  private mutating func sent(_ bytes: [UInt8], _ id: PeerId) throws(FuzzFinding) {
    guard connected[id] != nil else {
      throw FuzzFinding(broken: "nothing is sent to a peer that is gone")
    }
    connected[id]!.append(bytes)
    do {
      while let message = try connected[id]!.next() { asked[id, default: []].append(message) }
    } catch { throw FuzzFinding(broken: "what is sent decodes") }
  }

  private func place(_ height: UInt32, _ count: Int) throws(FuzzFinding) -> Int {
    let index = Int(height) - Int(disk.baseHeight)
    try require(index >= 0 && index <= count, "what is stored joins what is on disk")
    return index
  }

  private mutating func storeHeaders(
    _ from: UInt32, _ headers: [BlockHeader], _ work: ChainWork
  ) throws(FuzzFinding) {
    if disk.headers.isEmpty {
      disk.baseHeight = from
      disk.workBefore = work
    }
    let index = try place(from, disk.headers.count)
    disk.headers.removeSubrange(index...)
    disk.headers += headers
    if disk.filterHeaders.count > index { disk.filterHeaders.removeSubrange(index...) }
  }

  /// What is on disk is what the client believes.
  func checkRestart() throws(FuzzFinding) {
    let again = LightClient(
      network: .regtest, configuration: FuzzedClient.configuration, state: disk, seed: 2,
      nowMs: nowMs, unixSeconds: unixSeconds)
    try require(again.tipHash == client.tipHash, "a restart goes on where the run ended")
  }
}
