import Bitcoin
import Bytes

/// A node that tells some lies of ``Lie`` occasionally, and is honest otherwise.
public final class LyingNode: ServingNode {
  public let lies: Set<Lie>
  /// The probability of a lie at each opportunity.
  public var rate = 0.5
  /// Scripts that clients watch.
  public var bait: [[UInt8]] = []
  var random: SimulatorRandom
  var fakes = 0
  var hugeMessages = 0
  /// The filters that it falsified: the lie about a block stays the same.
  private var falseFilters: [Bytes32: BlockFilter] = [:]
  private var honestFilters: Set<Bytes32> = []
  private var depth = 0

  public init(tree: BlockTree, lies: Set<Lie>, seed: UInt64) {
    self.lies = lies
    self.random = SimulatorRandom(seed: seed)
    super.init(tree: tree)
  }

  func tells(_ lie: Lie) -> Bool { lies.contains(lie) && random.chance(rate) }

  /// The lie about time to tell with a whole chain now; nil for none.
  func lieAboutTime() -> Lie? {
    let mine = Lie.allCases.filter { lies.contains($0) && Lie.aboutTime.contains($0) }
    guard !mine.isEmpty else { return nil }
    let lie = mine[Int(random.below(UInt64(mine.count)))]
    return tells(lie) ? lie : nil
  }

  // MARK: Lies in place of an answer

  public override func answer(
    _ message: PeerMessage, _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) {
    if lies.contains(.silentFromTheStart) { return }
    if spoil(link, network) { return }
    switch message {
    case .version: if answerVersion(link, network) { return }
    case .getHeaders:
      if tells(.silentAboutHeaders) { return }
      if tells(.emptyHeaders) {
        send(.headers([]), link, network)
        return
      }
    case .getFilterHeaders(let request):
      if tells(.silentAboutFilterHeaders) { return }
      if tells(.filterHeadersRandom) {
        sendRandomFilterHeaders(request, link, network)
        return
      }
    case .getFilterCheckpoints: if tells(.silentAboutCheckpoints) { return }
    case .getFilters: if tells(.silentAboutFilters) { return }
    case .inv(let items):
      if tells(.silentAboutTransactions) { return }
      if tells(.transactionsFetchedOften) {
        for _ in 0..<20 { send(.getData(items), link, network) }
      }
    case .transaction(let transaction):
      if tells(.transactionsEchoed) {
        for _ in 0..<20 { send(.transaction(transaction), link, network) }
      }
    case .getData(let items):
      let isAboutTransactions = items.contains {
        $0.kind & 0xff == InventoryVector.Kind.transaction
      }
      if isAboutTransactions && tells(.silentAboutTransactions) { return }
      if tells(.silentAboutBlocks) { return }
      if tells(.blocksNotFound) {
        send(.notFound(items), link, network)
        return
      }
    default: break
    }
    super.answer(message, link, network)
    if depth == 0 { pester(link, network) }
  }

  private func answerVersion(
    _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) -> Bool {
    if tells(.noHandshake) { return true }
    if tells(.messagesBeforeHandshake) { send(.headers([]), link, network) }
    if tells(.closesAtOnce) {
      network.close(link, from: id)
      return true
    }
    let version = VersionMessage(
      version: 60_000, services: services, time: 0, nonce: 1, userAgent: [], startHeight: 0,
      relay: true)
    if tells(.oldVersion) { send(.version(version), link, network) }
    if tells(.twoVersions) {
      var second = version
      second.version = VersionMessage.protocolVersion
      send(.version(second), link, network)
    }
    return false
  }

  /// Sends bytes that are not a message.
  private func spoil(_ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork) -> Bool {
    if sessions[link]?.isReady != true { return false }
    var frame = MessageFrame.encode(.ping(7), magic: tree.network.magic)
    if tells(.garbage) {
      frame = random.bytes(1 + Int(random.below(200)))
    } else if tells(.wrongMagic) {
      frame[0] ^= 1
    } else if tells(.badChecksum) {
      frame[20] ^= 1
    } else if tells(.oversizedLength) {
      frame[19] = 0xff
    } else {
      return false
    }
    network.send(frame, over: link, from: id)
    return true
  }

  private func sendRandomFilterHeaders(
    _ request: FilterRangeRequest, _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) {
    guard let stop = tree.entries[request.stopHash], stop.height >= request.startHeight else {
      return
    }
    let count = min(2000, Int(stop.height - request.startHeight) + 1)
    send(
      .filterHeaders(
        FilterHeadersMessage(
          stopHash: request.stopHash,
          previousHeader: request.startHeight == 0 ? .zero : Bytes32(random.bytes(32)),
          filterHashes: (0..<count).map { _ in Bytes32(random.bytes(32)) })), link, network)
  }

  public override func admits(_ transaction: Transaction) -> Bool {
    !tells(.transactionsForgotten) && super.admits(transaction)
  }

  // MARK: Unsolicited messages

  private func pester(_ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork) {
    if sessions[link]?.isReady != true { return }
    depth += 1
    defer { depth -= 1 }
    if tells(.inventoryFlood) {
      let kinds = [InventoryVector.Kind.witnessId, InventoryVector.Kind.block]
      send(
        .inv(
          (0..<500).map { _ in
            InventoryVector(
              kind: kinds[Int(random.below(2))], hash: Bytes32(random.bytes(32)))
          }), link, network)
    }
    if tells(.pingFlood) { for _ in 0..<50 { send(.ping(random.next()), link, network) } }
    if tells(.unaskedTransactions) {
      send(.transaction(tree.entry(tip).block.transactions.last ?? coinbaseOfTip), link, network)
    }
    if tells(.unaskedBlocks) { send(.block(tree.entry(tip).block), link, network) }
    if tells(.addressFlood) { send(.addr(madeUpAddresses(isV2: false)), link, network) }
    if tells(.addressFloodV2) { send(.addrV2(madeUpAddresses(isV2: true)), link, network) }
    if tells(.unknownFlood) {
      for _ in 0..<20 { send(.sendAddrV2, link, network) }
    }
    if tells(.getDataFlood) {
      send(
        .getData(
          (0..<30).map { _ in
            InventoryVector(
              kind: InventoryVector.Kind.transaction, hash: Bytes32(random.bytes(32)))
          }), link, network)
    }
    if tells(.fakePayments) { tellOfPayment(network) }
    if tells(.hugeMessages) { beginHugeMessage(link, network) }
    if tells(.extremeFeeFilter) { send(.feeFilter(.max), link, network) }
    if tells(.headersFromNowhere) {
      var header = tree.entry(tip).block.header
      header.previous = Bytes32(random.bytes(32))
      send(.headers([header]), link, network)
    }
  }

  private func madeUpAddresses(isV2: Bool) -> [NetworkAddress] {
    (0..<1000).map { _ in
      let kind = isV2 ? UInt8(1 + random.below(8)) : 1
      let count = kind == 1 ? 4 : (kind == 2 ? 16 : Int(random.below(40)))
      return NetworkAddress(
        time: 0, services: 73, network: kind, address: random.bytes(count),
        port: UInt16(truncatingIfNeeded: random.next()))
    }
  }

  private var coinbaseOfTip: Transaction {
    Transaction(inputs: [], outputs: [TransactionOutput(amountSat: 1, scriptPubKey: [0x51])])
  }

  // MARK: Lies in outgoing messages

  public override func send(
    _ message: PeerMessage, _ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork
  ) {
    switch message {
    case .headers(let list):
      super.send(.headers(falsify(list, network)), link, network)
    case .filterHeaders(var answer):
      if tells(.filterHeadersTooFew) { answer.filterHashes.removeLast() }
      if tells(.filterHeadersBadPrevious) { answer.previousHeader = Bytes32(random.bytes(32)) }
      super.send(.filterHeaders(answer), link, network)
    case .filterCheckpoints(var answer):
      if tells(.checkpointsTooFew), !answer.filterHeaders.isEmpty {
        answer.filterHeaders.removeLast()
      }
      if tells(.checkpointsRandom) {
        answer.filterHeaders = answer.filterHeaders.map { _ in Bytes32(random.bytes(32)) }
      }
      super.send(.filterCheckpoints(answer), link, network)
    case .filter(var answer):
      if tells(.filterTampered), !answer.filter.isEmpty {
        answer.filter[answer.filter.count - 1] ^= 0x40
      }
      if tells(.filterUndecodable) { answer.filter = [0xff, 0xff] }
      if tells(.filtersOutOfOrder) { answer.blockHash = tree.genesisHash }
      super.send(.filter(answer), link, network)
    case .transaction(let transaction):
      let other = tells(.transactionsOfOtherId) ? fakePayment() : transaction
      super.send(.transaction(other), link, network)
    case .block(let block): super.send(.block(falsify(block)), link, network)
    default: super.send(message, link, network)
    }
  }

  private func falsify(_ headers: [BlockHeader], _ network: SimulatedNetwork) -> [BlockHeader] {
    var list = headers
    guard !list.isEmpty else { return list }
    let position = Int(random.below(UInt64(list.count)))
    if tells(.headersUnlinked) { list.swapAt(0, position) }
    if tells(.headersWithoutWork), let target = Target(bits: list[position].bits) {
      while target.isMet(by: list[position].hash) { list[position].nonce &+= 1 }
      list = Array(list[0...position])
    }
    if tells(.headersWithWrongBits) {
      list[position].bits = 0x1f00_ffff
      list = Array(list[0...position])
    }
    if tells(.headersTooOld), position > 0 {
      list[position].time = 1
      remine(&list[position])
      list = Array(list[0...position])
    }
    if tells(.headersFromFuture), let last = list.last {
      append(&list, after: last, time: UInt32(network.unixSeconds + 86_400))
    }
    if tells(.headersAnnouncedWithoutEnd), let last = list.last, list.count < 1900 {
      var header = last
      for _ in 0..<50 {
        header.previous = header.hash
        header.bits = 0x1f00_ffff
        list.append(header)
      }
    }
    return list
  }

  private func append(_ list: inout [BlockHeader], after last: BlockHeader, time: UInt32) {
    var next = last
    next.previous = last.hash
    next.time = time
    remine(&next)
    list.append(next)
  }

  private func remine(_ header: inout BlockHeader) {
    guard let target = Target(bits: header.bits) else { return }
    while !target.isMet(by: header.hash) { header.nonce &+= 1 }
  }

  private func falsify(_ block: Block) -> Block {
    var block = block
    if tells(.blockWithChangedOutput) { block.transactions[0].outputs[0].amountSat += 1 }
    if tells(.blockWithRepeatedTransaction) {
      block.transactions.append(block.transactions[block.transactions.count - 1])
    }
    if tells(.blockWithChangedWitness) {
      block.transactions[0].inputs[0].witness = [[UInt8](repeating: 1, count: 32)]
    }
    if tells(.blockOfAnotherHash) { block = tree.entry(chain[chain.count / 2]).block }
    return block
  }

  // MARK: False filters with matching filter headers

  public override func filter(of entry: BlockTree.Entry) -> BlockFilter {
    if let known = falseFilters[entry.hash] { return known }
    if honestFilters.contains(entry.hash) || entry.height == 0 { return entry.filter }
    var block = entry.block
    if lies.contains(.filterOmitsOutputs) && random.chance(0.05) {
      for index in block.transactions.indices { block.transactions[index].outputs = [] }
      let filter = BlockFilter.build(block: block, spentScripts: [])
      falseFilters[entry.hash] = filter
      return filter
    }
    if lies.contains(.filterOmitsSpends) && block.transactions.count > 1 && random.chance(0.5) {
      let filter = BlockFilter.build(block: block, spentScripts: [])
      falseFilters[entry.hash] = filter
      return filter
    }
    if lies.contains(.filterBelievesWitnesses),
      let believing = believing(entry), believing != entry.filter
    {
      falseFilters[entry.hash] = believing
      return believing
    }
    if lies.contains(.filterHasExtras) && random.chance(0.05) {
      let extra = (0..<50).map { _ in random.bytes(20) }
      let filter = BlockFilter.build(block: block, spentScripts: extra)
      falseFilters[entry.hash] = filter
      return filter
    }
    honestFilters.insert(entry.hash)
    return entry.filter
  }

  /// Treats every input with a witness as a P2WSH spend of its last element. Nil for a block
  /// without such an input.
  private func believing(_ entry: BlockTree.Entry) -> BlockFilter? {
    var scripts: [[UInt8]] = []
    var isFooled = false
    for transaction in entry.block.transactions where !transaction.isCoinbase {
      for input in transaction.inputs {
        if input.witness.count > 1, let last = input.witness.last {
          scripts.append(Script.p2wsh(witnessScript: last))
          isFooled = true
        } else {
          scripts.append(tree.script(of: input.previous) ?? [])
        }
      }
    }
    return isFooled ? BlockFilter.build(block: entry.block, spentScripts: scripts) : nil
  }

  public override func filterHeader(before entry: BlockTree.Entry) -> Bytes32 {
    let falsifying: Set<Lie> = [
      .filterOmitsOutputs, .filterHasExtras, .filterOmitsSpends, .filterBelievesWitnesses,
    ]
    if lies.isDisjoint(with: falsifying) { return super.filterHeader(before: entry) }
    if entry.height == 0 { return .zero }
    var header = Bytes32.zero
    for hash in tree.chain(to: entry.block.header.previous) {
      header = filter(of: tree.entry(hash)).header(previous: header)
    }
    return header
  }
}
