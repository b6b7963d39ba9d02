import Bitcoin
import Bytes
import Channel
import Crypto
import Hiring
import LightClient
import Market
import Wallet

/// A publisher's core with one pool, machines that the fuzzer plays over real sessions, the chain, and
/// the disk.
final class FuzzedRun {
  static let bundle = [UInt8](repeating: 0x5a, count: 700)
  /// How many machines call, each over one connection at a time.
  static let machineCount = 2

  /// Costs many derivations: made once.
  private struct Start: Sendable {
    let keys: WalletKeys
    let secrets: HiringSecrets
    let wallet: Wallet
    let blocks: [Block]
  }

  private static let start: Start = {
    let keys = try! WalletKeys(seed: [UInt8](repeating: 9, count: 64), network: .regtest)
    var wallet = try! Wallet(keys: keys, network: .regtest, birthHeight: 0)
    let coins = Transaction(
      inputs: [TransactionInput(previous: Samples.funding)],
      outputs: (0..<4).map { _ in
        TransactionOutput(amountSat: 1_000_000, scriptPubKey: try! wallet.freshReceiveScript())
      })
    let block = Block(header: Network.regtest.genesis, transactions: [coins])
    _ = try! wallet.blockConnected(height: 1, block: block)
    wallet.blockScanned(height: 1, hash: block.hash)
    return Start(
      keys: keys, secrets: try! HiringSecrets(keys: keys), wallet: wallet, blocks: [block, block])
  }()

  private static let plan: PoolPlan = {
    var offer = Samples.offer
    offer.workers = 2
    var plan = PoolPlan(offer: offer, endpoint: Endpoint(text: "192.0.2.1:7000")!)
    plan.capacitySat = 100_000
    return plan
  }()

  private static func spec(worker: UInt16?) -> TaskSpec {
    TaskSpec(
      bundles: [BundleRef(digest: Sha256.hash(bundle), sizeBytes: UInt64(bundle.count))],
      arguments: Samples.order.arguments, limits: Samples.order.limits, hasInput: worker == 0,
      maxResultBytes: 1 << 20, worker: worker)
  }

  private let run: HiringMachine
  private var pool = Bytes32.zero
  private var blocks = FuzzedRun.start.blocks
  private var nowMs: UInt64 = 1000
  private var machines: [FuzzedMachine] = []
  private var chosen = 0
  private var lastCall: UInt64 = 0
  private var taskCount: UInt32 = 0
  private var broadcasts: [Transaction] = []
  private var announcement: Bytes32 = .zero
  private var stored: [Bytes32: (sequence: UInt64, amountSat: UInt64)] = [:]
  private var results: [TaskId: UInt64] = [:]
  private var ended: Set<TaskId> = []

  init() {
    var counter: UInt8 = 0
    run = HiringMachine(
      settings: HiringSettings(), network: .regtest, secrets: FuzzedRun.start.secrets,
      wallet: FuzzedRun.start.wallet,
      readBundle: { digest, offset, count in
        if digest != Sha256.hash(FuzzedRun.bundle) { return nil }
        let rest = FuzzedRun.bundle.dropFirst(Int(min(offset, 700)))
        return Array(rest.prefix(count))
      },
      random: {
        counter &+= 1
        return Sha256.hash([8, counter])
      })
    for index in 0..<FuzzedRun.machineCount { machines.append(FuzzedMachine(UInt8(index))) }
    let blocks = blocks
    run.started(now, tipHeight: 1, baseHeight: 0) {
      $0 < blocks.count ? blocks[Int($0)].hash : nil
    }
    tell(.synced(height: 1))
    pool = run.addPool(FuzzedRun.plan, now)
    for worker in 0..<2 { addTask(worker: UInt16(worker)) }
    addTask(worker: nil)
  }

  private func addTask(worker: UInt16?) {
    if taskCount == 16 { return }
    taskCount += 1
    _ = run.addTask(FuzzedRun.spec(worker: worker), to: pool, now)
  }

  private var now: Instant { Instant(nowMs: nowMs, unixSeconds: 1_700_000_000 + nowMs / 1000) }

  private func tell(_ event: LightClientEvent) {
    let blocks = blocks
    run.chainEvent(event, now, feeRateSatPerKvB: 2000) {
      $0 < blocks.count ? blocks[Int($0)].hash : nil
    }
  }

  // MARK: What happens

  func step(_ input: inout FuzzInput) {
    let machine = machines[chosen]
    switch input.below(24) {
    case 0: machine.answer(announcement)
    case 1: machine.say(raw: input.piece())
    case 2: call(machine)
    case 3: machine.bid(flips: input.below(4) == 3 ? input.u16() : nil)
    case 4: machine.tellUsage(&input)
    case 5:
      let sight = [FundingSight.relayed, .confirmed(height: 3), .lost][input.below(3)]
      machine.say(.fundingState(channel: UInt8(input.below(2)), sight: sight))
    case 6: machine.exit(&input)
    case 7: machine.sign(isFinal: input.below(2) == 1, isLie: input.below(4) == 3)
    case 8: machine.openStream(&input)
    case 9: machine.sendOnStreams(input.u16())
    case 10: machine.endStreams(input.below(8))
    case 11: mine(input.below(4), machine)
    case 12: disconnect()
    case 13: pass(UInt64(input.u16()) << 4)
    case 14: hangUp(machine)
    case 15: chosen = input.below(machines.count)
    case 16: machine.greet(announcement, isResuming: input.below(2) == 1)
    case 17: control(&input)
    case 18: machine.sayState(isWrong: input.below(4) == 3)
    case 19: machine.giveReceipt()
    case 20:
      let standing = Standing(rawValue: UInt8(input.below(5))) ?? .running
      machine.say(.standing(standing, text: []))
    case 21:
      let states: [TaskState] = [
        .queued, .started(unixSeconds: UInt64(input.u8()) << 56), .refused(.busy, text: []),
      ]
      machine.say(.taskState(number: UInt32(input.below(3) + 1), state: states[input.below(3)]))
    case 22:
      machine.say(
        input.below(2) == 0
          ? .leaving(noticeMs: UInt32(input.u16()), text: [])
          : .topUpWanted(topRungSatPerKvB: UInt32(input.u16()) << 4))
    default: machine.say(.paymentStored(channel: 0, sequence: UInt64(input.u16())))
    }
    flush()
  }

  private func call(_ machine: FuzzedMachine) {
    if machine.call != nil { return }
    lastCall += 1
    machine.dial(
      CallKey(lastCall), publisher: FuzzedRun.start.secrets.identity.publicKey, nowMs: nowMs)
    run.connected(CallKey(lastCall), address: "192.0.2.\(chosen)", now)
  }

  private func hangUp(_ machine: FuzzedMachine) {
    guard let call = machine.call else { return }
    machine.hungUp()
    run.disconnected(call, now)
  }

  private func pass(_ ms: UInt64) {
    nowMs += ms
    for machine in machines { machine.session?.tick(nowMs: nowMs) }
    run.timePassed(now)
  }

  /// A block with what was broadcast; with the close of the chosen machine; empty.
  private func mine(_ what: Int, _ machine: FuzzedMachine) {
    var transactions: [Transaction] = []
    if what < 2 { transactions = broadcasts }
    if what == 2, let spend = machine.spend { transactions = [spend] }
    broadcasts.removeAll()
    var header = Network.regtest.genesis
    header.nonce = UInt32(blocks.count)
    let block = Block(header: header, transactions: transactions)
    blocks.append(block)
    let height = UInt32(blocks.count - 1)
    tell(.tipChanged(height: height, hash: block.hash))
    tell(.blockMatched(height: height, block: block))
    tell(.blockScanned(height: height))
    tell(.synced(height: height))
  }

  private func disconnect() {
    if blocks.count <= 3 { return }
    let height = UInt32(blocks.count - 1)
    broadcasts += blocks.removeLast().transactions
    tell(.blocksDisconnected(fromHeight: height, toHeight: height - 1))
  }

  /// What the publisher's user does meanwhile.
  private func control(_ input: inout FuzzInput) {
    let task = TaskId(pool: pool, index: UInt32(input.below(4)))
    let id = UInt32(input.below(4))
    switch input.below(12) {
    case 0:
      _ = run.startExec(ExecRequest(id: 0, task: 1, arguments: [input.piece()]), in: task, now)
    case 1: _ = run.execInput(id, input.piece(), now)
    case 2: run.execInputEnded(id, now)
    case 3: run.execOutputTaken(id, isError: input.below(2) == 0, count: input.u16(), now)
    case 4: run.execSignalled(id, 9, now)
    case 5: run.execAbandoned(id, now)
    case 6:
      let count = min(run.inputRoom(pool), input.u16())
      run.inputRead([UInt8](repeating: 3, count: count), pool, now)
    case 7: run.inputEnded(pool, now)
    case 8: _ = run.stop(task: task, now)
    case 9: addTask(worker: nil)
    case 10: run.noMoreTasks(pool, now)
    default: if input.below(4) == 3 { run.stop(pool: pool, now) }
    }
  }

  // MARK: What must hold

  private func flush() {
    for machine in machines {
      while let bytes = machine.nextBytes() {
        if let call = machine.call { run.received(bytes, from: call, now) }
      }
    }
  }

  func drain() throws(FuzzFinding) {
    var count = 0
    while let effect = run.nextEffect() {
      count += 1
      try require(count < 5000, "effects come to an end")
      try carryOut(effect)
      // What was sent is answered before anything else happens to the connections.
      flush()
    }
    for lease in run.leases(of: pool) {
      let most = max(lease.owedSat, lease.contract.body.firstPaymentSat)
      try require(
        lease.paidSat <= most, "no more is paid than is owed, or a channel's first payment")
    }
  }

  private func carryOut(_ effect: HiringEffect) throws(FuzzFinding) {
    switch effect {
    case .log(_, let text):
      try require(!text.utf8.contains { $0 < 0x20 || $0 == 0x7f }, "strangers command no terminal")
    case .transmit(let key, let bytes):
      guard let machine = machines.first(where: { $0.call == key }) else {
        throw FuzzFinding(broken: "nothing is sent to nobody")
      }
      machine.session?.received(bytes, nowMs: nowMs)
    case .hangUp(let key): machines.first { $0.call == key }?.hungUp()
    case .broadcast(let transaction):
      if Announcement.find(in: transaction) != nil { announcement = transaction.txid }
      if !broadcasts.contains(transaction) { broadcasts.append(transaction) }
    case .taskResults(let task, let offset, let bytes):
      if offset == 0 { results[task] = 0 }
      try require(results[task] == offset, "results have no holes")
      results[task] = offset + UInt64(bytes.count)
      try require(offset + UInt64(bytes.count) <= 1 << 20, "results are bounded")
    case .taskEnded(let task, _):
      try require(ended.insert(task).inserted, "a task ends once")
    case .storeChannel(let id, let sequence, let amountSat, _):
      let last = stored[id] ?? (0, 0)
      try require(
        sequence >= last.sequence && amountSat >= last.amountSat, "what was paid never falls")
      stored[id] = (sequence, amountSat)
    case .storePool(_, let body):
      try require(PoolRecord.decode(body)?.encode() == body, "what is stored can be read")
    case .storeLease(_, _, let body):
      try require(LeaseRecord.decode(body)?.encode() == body, "what is stored can be read")
    case .storeLeaseState(_, let body):
      try require(LeaseProgress.decode(body)?.encode() == body, "what is stored can be read")
    case .storeTask(_, let body):
      try require(TaskRecord.decode(body)?.encode() == body, "what is stored can be read")
    default: break
    }
  }

  /// The machines go away for good: the run must come to rest.
  func finish() throws(FuzzFinding) {
    for machine in machines { hangUp(machine) }
    run.stop(pool: pool, now)
    try drain()
    for _ in 0..<20 {
      let deadlineMs = run.nextDeadlineMs
      if deadlineMs == UInt64.max { break }
      nowMs = max(nowMs, deadlineMs)
      run.timePassed(now)
      try drain()
      try require(run.nextDeadlineMs > nowMs, "a deadline that has passed is not asked for again")
    }
  }
}
