import Bitcoin
import Bytes
import Capability
import Channel
import Crypto
import LightClient
import Market
import Publisher
import Session
import Wallet

/// A publisher's run, machines that the fuzzer plays over real sessions, and the chain.
final class FuzzedRun {
  static let bundle = [UInt8](repeating: 0x5a, count: 700)
  /// How many machines call, each over one connection at a time.
  static let machineCount = 2

  /// Costs many derivations: made once.
  private struct Start: Sendable {
    let keys: WalletKeys
    let secrets: RunSecrets
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
      keys: keys, secrets: try! RunSecrets(keys: keys), wallet: wallet, blocks: [block, block])
  }()

  private static let plan: RunPlan = {
    var offer = Samples.offer
    offer.workers = 2
    var plan = RunPlan(
      offer: offer, endpoint: Endpoint(text: "192.0.2.1:7000")!, bundles: [bundle])
    plan.capacitySat = 100_000
    return plan
  }()

  private let run: RunMachine
  private var blocks = FuzzedRun.start.blocks
  private var nowMs: UInt64 = 1000
  private var machines: [FuzzedMachine] = []
  private var chosen = 0
  private var lastCall: UInt64 = 0
  private var broadcasts: [Transaction] = []
  private var announcement: Bytes32 = .zero
  private var stored: [Bytes32: (sequence: UInt64, amountSat: UInt64)] = [:]
  private var results: [UInt16: UInt64] = [:]
  private var kept: Set<UInt16> = []

  init() {
    var counter: UInt8 = 0
    run = RunMachine(
      plan: FuzzedRun.plan, network: .regtest, secrets: FuzzedRun.start.secrets,
      wallet: FuzzedRun.start.wallet, channelIndex: 0,
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
  }

  private var now: RunTime { RunTime(nowMs: nowMs, unixSeconds: 1_700_000_000 + nowMs / 1000) }

  private func tell(_ event: LightClientEvent) {
    let blocks = blocks
    run.chainTold(event, now, feeRateSatPerVb: 2) {
      $0 < blocks.count ? blocks[Int($0)].hash : nil
    }
  }

  // MARK: What happens

  func step(_ input: inout FuzzInput) {
    let machine = machines[chosen]
    switch input.below(20) {
    case 0: machine.answer(announcement)
    case 1: machine.say(raw: input.piece())
    case 2: call(machine)
    case 3: machine.bid(flips: input.below(4) == 3 ? input.u16() : nil, announcement)
    case 4: machine.tellUsage(&input)
    case 5: machine.say(.started(unixSeconds: UInt64(input.u8()) << 56 | 1_700_000_000))
    case 6: machine.exit(&input)
    case 7: machine.signReceipt(&input)
    case 8: machine.openStream(&input)
    case 9: machine.sendOnStreams(input.u16())
    case 10: machine.endStreams(input.below(8))
    case 11: mine(input.below(4), machine)
    case 12: disconnect()
    case 13: pass(UInt64(input.u16()) << 4)
    case 14: hangUp(machine)
    case 15: chosen = input.below(machines.count)
    case 16: machine.say(.funded(height: UInt32(input.u8())))
    case 17: control(&input)
    case 18: machine.resume(&input)
    default: machine.say(.paymentStored(sequence: UInt64(input.u16())))
    }
    flush()
  }

  private func call(_ machine: FuzzedMachine) {
    if machine.call != nil { return }
    lastCall += 1
    machine.dial(
      CallKey(lastCall), publisher: FuzzedRun.start.secrets.identity.publicKey, nowMs: nowMs)
    run.workerConnected(CallKey(lastCall), now)
  }

  private func hangUp(_ machine: FuzzedMachine) {
    guard let call = machine.call else { return }
    machine.hungUp()
    run.workerDisconnected(call, now)
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
    if what == 2, let close = machine.close { transactions = [close] }
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
    let worker = UInt16(input.below(3))
    let id = UInt32(input.below(4))
    switch input.below(9) {
    case 0:
      _ = run.startProgram(
        ProgramRequest(id: 0, arguments: [input.piece()]), worker: worker, now)
    case 1: _ = run.programInput(id, input.piece(), now)
    case 2: run.programInputEnded(id, now)
    case 3: run.programOutputTaken(id, isError: input.below(2) == 0, count: input.u16(), now)
    case 4: run.programSignalled(id, 9, now)
    case 5: run.programAbandoned(id, now)
    case 6: run.inputRead([UInt8](repeating: 3, count: min(run.inputRoom, input.u16())), now)
    case 7: run.inputEnded(now)
    default: if input.below(4) == 3 { _ = run.stop(worker: worker, now) }
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
    for hire in run.summaries {
      let most = max(hire.record.owedSat, hire.contract.openingPaymentSat)
      try require(hire.paidSat <= most, "no more is paid than is owed, or opens a channel")
      try require(hire.paidSat <= hire.contract.terms.capacitySat, "a channel holds what it pays")
    }
  }

  private func carryOut(_ effect: RunEffect) throws(FuzzFinding) {
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
    case .storeChannel(let contract, let sequence, let amountSat, _):
      let last = stored[contract] ?? (0, 0)
      try require(
        sequence >= last.sequence && amountSat >= last.amountSat, "what was paid never falls")
      stored[contract] = (sequence, amountSat)
    case .storeRun(_, let body):
      try require(RunRecord.decode(body)?.encode() == body, "what is stored can be read")
    case .storeHire(_, let body):
      try require(HireRecord.decode(body)?.encode() == body, "what is stored can be read")
    case .appendResults(let worker, let offset, let bytes):
      if offset == 0 { results[worker] = 0 }
      try require(results[worker] == offset, "results have no holes")
      results[worker] = offset + UInt64(bytes.count)
      try require(
        offset + UInt64(bytes.count) <= Samples.offer.maxResultBytes, "results are bounded")
    case .keepResults(let worker):
      try require(kept.insert(worker).inserted, "results are kept once")
    case .watch, .unwatch, .forget, .storeWallet, .storeChannelIndex, .print, .program: break
    }
  }

  /// The machines go away for good: the run must come to rest.
  func finish() throws(FuzzFinding) {
    for machine in machines { hangUp(machine) }
    run.stopRequested(now)
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
