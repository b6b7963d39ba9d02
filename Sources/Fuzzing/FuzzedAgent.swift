import Agent
import Bitcoin
import Bytes
import Channel
import Crypto
import Foundation
import LightClient
import Market

/// An agent, a publisher whom the fuzzer plays over real sessions, the chain, the disk, and the sandboxes.
final class FuzzedAgent {
  /// What the agent's disk holds.
  private struct Disk {
    var leases: [Bytes32: [UInt8]] = [:]
    var rows: [Bytes32: [UInt32: [UInt8]]] = [:]
    var channels: [Bytes32: (sequence: UInt64, amountSat: UInt64, state: [UInt8])] = [:]
    var memories: [MemoryKind: [UInt8]] = [:]
  }

  private var agent: AgentMachine
  private let publisher = FuzzedPublisher()
  private var disk = Disk()
  private var nowMs: UInt64 = 1000
  private var tipHeight: UInt32 = 100
  private var sandboxes = FuzzedSandboxes()

  init() {
    agent = FuzzedAgent.machine()
    start()
    tell(.transactionSeen(Samples.transaction))
  }

  private static func machine() -> AgentMachine {
    var configuration = Configuration()
    configuration.hourSat = 3600
    var counter: UInt8 = 0
    return AgentMachine(
      configuration: configuration, network: .regtest,
      secrets: AgentSecrets(seed: Sha256.hash([5])), payoutScript: Samples.payoutScript,
      machine: MachineFacts(processors: .all, isolation: .full, memoryMiB: 512, milliCpus: 2000),
      report: [1, 2, 3],
      random: {
        counter &+= 1
        return Sha256.hash([6, counter])
      })
  }

  private func start() {
    agent.started(now, tipHeight: tipHeight)
    tell(.synced(height: tipHeight))
  }

  private var now: Instant { Instant(nowMs: nowMs, unixSeconds: 1_700_000_000 + nowMs / 1000) }

  private func tell(_ event: LightClientEvent) {
    agent.chainTold(event, now, authenticatedHeight: tipHeight, feeRateSatPerKvB: 2000)
  }

  // MARK: What happens

  func step(_ input: inout FuzzInput) throws(FuzzFinding) {
    switch input.below(28) {
    case 0: publisher.answer()
    case 1: publisher.say(raw: input.piece())
    case 2: publisher.pay(channel: input.below(3), amountSat: UInt64(input.u16()))
    case 3: publisher.fund(isWrong: input.below(4) == 3)
    case 4: mine(input.below(4))
    case 5: advance(UInt32(input.u8()))
    case 6: publisher.say(.end(text: []))
    case 7: hangUp(publisher.chosenKey)
    case 8: pass(UInt64(input.u16()) << 4)
    case 9: publisher.openStream(&input)
    case 10: publisher.sendBundle(input.u16())
    case 11: sandboxes.happen(&input, agent, now)
    case 12: sandboxes.print(&input, agent, now)
    case 13: publisher.grantAll()
    case 14: publisher.endStreams(input.below(8))
    case 15: publisher.sendTask(&input)
    case 16: publisher.sayState()
    case 17: publisher.say(.refuse(code: RefusalCode.allCases[input.below(17)], text: []))
    case 18:
      guard let key = publisher.chosenKey else { return }
      agent.transportIsBlocked(key, input.below(2) == 0, now)
    case 19: publisher.say(.taskStop(number: UInt32(input.below(4) + 1), text: []))
    case 20: execute(&input)
    case 21: publisher.topUp(topRungSatPerKvB: UInt32(input.u16()))
    case 22:
      publisher.say(.closeWanted(channel: UInt8(input.below(2)), fromRung: UInt8(input.below(8))))
    case 23: publisher.choose(input.below(4))
    case 24: try restart()
    case 25: pass(1000)
    case 26: relayed()
    default: if input.below(4) == 3 { agent.stopRequested(now) } else { pass(100) }
    }
    flush()
  }

  private func pass(_ ms: UInt64) {
    nowMs += ms
    publisher.tick(nowMs: nowMs)
    agent.timePassed(now)
  }

  private func advance(_ blocks: UInt32) {
    tipHeight += blocks
    publisher.tipHeight = tipHeight
    tell(.tipChanged(height: tipHeight, hash: .zero))
  }

  private func hangUp(_ key: CallKey?) {
    guard let key else { return }
    publisher.disconnected(key)
    agent.publisherDisconnected(key, now)
  }

  /// A block with the fundings, with one that pays too little, with a spend; or none any more.
  private func mine(_ what: Int) {
    guard let lease = publisher.leases.last, var funding = lease.fundings.last else { return }
    if what == 3 {
      tell(.blocksDisconnected(fromHeight: tipHeight, toHeight: tipHeight - 1))
      tipHeight -= 1
      return
    }
    if what == 1 { funding.outputs[0].amountSat = UInt64.max }
    var transactions = Array(lease.fundings.dropLast()) + [funding]
    if what == 2 {
      let spend = TransactionInput(
        previous: OutPoint(txid: funding.txid, index: 0), witness: [[], [1], [1], [2]])
      transactions = [
        Transaction(
          inputs: [spend],
          outputs: [
            TransactionOutput(amountSat: .max, scriptPubKey: Samples.payoutScript),
            TransactionOutput(amountSat: 5, scriptPubKey: lease.terms[0].returnScript),
          ])
      ]
    }
    advance(1)
    let block = Block(header: Network.regtest.genesis, transactions: transactions)
    tell(.blockMatched(height: tipHeight, block: block))
    tell(.blockScanned(height: tipHeight))
  }

  private func relayed() {
    guard let funding = publisher.leases.last?.fundings.last else { return }
    tell(.transactionRelayed(txid: funding.txid, peers: 2))
  }

  private func execute(_ input: inout FuzzInput) {
    let id = UInt32(input.below(3) + 1)
    switch input.below(4) {
    case 0: publisher.say(.execSignal(id: id, number: 9))
    case 1: publisher.say(.execResize(id: id, TerminalSize(rows: 1, columns: 2)))
    default:
      let terminal = input.below(2) == 0 ? nil : TerminalSize(rows: 24, columns: 80)
      publisher.say(
        .execute(
          ExecRequest(
            id: id, task: UInt32(input.below(3) + 1), terminal: terminal, arguments: [[0x73]])))
    }
  }

  /// The agent is killed, and takes up what its disk holds.
  private func restart() throws(FuzzFinding) {
    try drain()
    for key in publisher.keys { publisher.disconnected(key) }
    sandboxes = FuzzedSandboxes()
    agent = FuzzedAgent.machine()
    for (kind, bytes) in disk.memories.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      agent.restoredMemory(kind, bytes)
    }
    for (contract, record) in disk.leases.sorted(by: { $0.key < $1.key }) {
      guard let ids = LeaseRecord.decode(record)?.channelIds else {
        throw FuzzFinding(broken: "what is stored can be read")
      }
      let rows = (disk.rows[contract] ?? [:]).sorted { $0.key < $1.key }
      let stored = StoredLease(
        record: record, channels: ids.map { disk.channels[$0]?.state },
        rows: rows.map { StoredRow(number: $0.key, body: $0.value) })
      do { try agent.restored(stored, now) } catch {
        throw FuzzFinding(broken: "what is stored can be restored")
      }
    }
    start()
  }

  // MARK: What must hold

  /// Lets bytes flow from the publisher to the agent; false where there are none.
  @discardableResult
  private func flush() -> Bool {
    var flowed = false
    for key in publisher.keys {
      while let bytes = publisher.nextBytes(key) {
        agent.received(bytes, from: key, now)
        flowed = true
      }
    }
    return flowed
  }

  func drain() throws(FuzzFinding) {
    var count = 0
    repeat {
      while let effect = agent.nextEffect() {
        count += 1
        try require(count < 5000, "effects come to an end")
        try carryOut(effect)
      }
    } while flush()
  }

  private func carryOut(_ effect: AgentEffect) throws(FuzzFinding) {
    switch effect {
    case .log(_, let text):
      try require(!text.utf8.contains { $0 < 0x20 || $0 == 0x7f }, "strangers command no terminal")
    case .dial(let key, _, _, _):
      publisher.connected(key, nowMs: nowMs)
      agent.publisherConnected(key, now)
    case .transmit(let key, let bytes):
      try require(publisher.isConnected(key), "nothing is sent to nobody")
      publisher.received(bytes, on: key, nowMs: nowMs)
    case .hangUp(let key): publisher.disconnected(key)
    case .broadcast(let transaction):
      try require(
        transaction.outputs.first?.scriptPubKey == Samples.payoutScript, "a close pays the owner")
    case .relay(let transaction):
      try require(
        publisher.leases.contains { $0.fundings.contains(transaction) }, "only fundings are relayed"
      )
    case .storeLease, .storeRows, .storeChannel, .archiveLease, .storeMemory: try store(effect)
    case .watch, .unwatch, .forget, .eraseTraces: break
    case .startTask(let ref, _, _):
      let isStored = disk.rows.values.contains { $0[ref.number] != nil }
      try require(isStored, "a task's number is on disk before it starts")
      try sandboxes.carryOut(effect, agent, now)
    default: try sandboxes.carryOut(effect, agent, now)
    }
  }

  private func store(_ effect: AgentEffect) throws(FuzzFinding) {
    switch effect {
    case .storeLease(let contract, let record):
      try require(LeaseRecord.decode(record)?.encode() == record, "what is stored can be read")
      disk.leases[contract] = record
    case .storeRows(let contract, let rows):
      for row in rows {
        disk.rows[contract, default: [:]][row.number] = row.body.isEmpty ? nil : row.body
      }
    case .storeChannel(let id, let sequence, let amountSat, let state):
      let last = disk.channels[id]
      try require(
        sequence >= last?.sequence ?? 0 && amountSat >= last?.amountSat ?? 0,
        "what was paid never falls")
      disk.channels[id] = (sequence, amountSat, state)
    case .archiveLease(let contract, _):
      disk.leases[contract] = nil
      disk.rows[contract] = nil
    case .storeMemory(let kind, let bytes): disk.memories[kind] = bytes
    default: break
    }
  }

  /// What the status socket tells is JSON, whoever talks to the agent, and its sums fit.
  func checkStatus() throws(FuzzFinding) {
    var sumSat: UInt64 = 0
    for lease in agent.leaseSummaries {
      let json = Data(lease.json.utf8)
      try require(
        (try? JSONSerialization.jsonObject(with: json)) is [String: Any], "the status is JSON")
      for amountSat in [lease.owedSat, lease.paidSat] {
        let (sum, overflows) = sumSat.addingReportingOverflow(amountSat)
        try require(!overflows, "the status has room for its sums")
        sumSat = sum
      }
    }
    try require(!agent.pauseText.utf8.contains { $0 < 0x20 }, "the status is plain text")
  }

  /// The publisher goes away for good: the agent must come to rest.
  func finish() throws(FuzzFinding) {
    for key in publisher.keys { hangUp(key) }
    agent.stopRequested(now)
    try drain()
    for _ in 0..<20 {
      let deadlineMs = agent.nextDeadlineMs
      if deadlineMs == UInt64.max { break }
      nowMs = max(nowMs, deadlineMs)
      agent.timePassed(now)
      try drain()
      try require(agent.nextDeadlineMs > nowMs, "a deadline that has passed is not asked for again")
    }
  }
}
