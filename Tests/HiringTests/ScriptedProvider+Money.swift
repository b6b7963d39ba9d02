import Bitcoin
import Bytes
import Capability
import Channel
import Crypto
import Market
import Session
import TestSupport
@testable import Hiring

/// What it is paid.
extension ScriptedProvider {
  // MARK: Money

  var usage: LeaseUsage {
    var tasks = UsageVector()
    for line in lines { tasks = tasks.adding(line.usage) }
    for run in runs.values {
      guard run.startedAtMs != nil, run.endedAtMs == nil, let contract else { continue }
      let ms = ranMs(run)
      tasks = tasks.adding(
        UsageVector(
          cpuMs: ms * UInt64(contract.share.milliCpus) / 1000 * behaviour.overstatesTenths / 10,
          memoryMiBMs: ms, wallMs: ms))
    }
    if behaviour.networkPsatPerKiB > 0 { tasks.networkKiB += 1 }
    return LeaseUsage(tasks: tasks, reservedMs: reserved.totalMs(nowMs: nowMs))
  }

  var owedSat: UInt64 { contract?.owedSat(usage) ?? 0 }
  var paidSat: UInt64 { channels.reduce(0) { $0 + $1.paidSat } }

  func statement(_ usage: LeaseUsage, isFinal: Bool) -> Statement? {
    guard let contract else { return nil }
    let mark = lines.prefix(linesSent).reduce(into: LineMark()) { $0.append($1) }
    return Statement(
      contract: contract.id, lines: mark.count, lastTask: mark.lastTask, chain: mark.chain,
      usage: usage, owedSat: contract.owedSat(usage) ?? 0,
      paid: channels.enumerated().filter { $0.element.paidSat > 0 }.map {
        Statement.Paid(channel: UInt8($0.offset), amountSat: $0.element.paidSat)
      }, isFinal: isFinal)
  }

  /// Everything that time or a message lets it do.
  func work() {
    guard let contract, isOpen, !isGone else { return }
    let isRunning = session?.isEstablished == true && isReady && standing == .running
    reserved.set(
      running: isRunning && !isEnding && !behaviour.neverStarts, nowMs: nowMs)
    startTasks()
    for (number, run) in runs.sorted(by: { $0.key < $1.key }) {
      if run.startedAtMs == nil || run.endedAtMs != nil { continue }
      if ranMs(run) >= behaviour.taskMs { end(number, behaviour.exit) }
    }
    startTasks()
    scheduleTasks()
    guard session?.isEstablished == true, isReady else { return }
    let hasNewLines = linesSent < lines.count
    while linesSent < lines.count {
      say(.taskEnded(lines[linesSent]))
      linesSent += 1
    }
    if hasNewLines && !isEnding, let statement = statement(usage, isFinal: false) {
      say(.statement(body: statement.encode(), providerSignature: statement.sign(identity)))
    }
    let dueSat = max(1, contract.providerMaxLossSat / 2)
    if nowMs >= reportAtMs || owedSat >= reportedSat + dueSat || hasNewLines {
      reportSequence += 1
      reportAtMs = nowMs + UInt64(contract.payoutIntervalMs)
      reportedSat = owedSat
      say(.usage(UsageReport(sequence: reportSequence, usage: usage, owedSat: owedSat)))
    }
    finish()
  }

  func scheduleTasks() {
    taskEndsAtMs = UInt64.max
    if standing != .running { return }
    for run in runs.values where run.startedAtMs != nil && run.endedAtMs == nil {
      taskEndsAtMs = min(
        taskEndsAtMs, nowMs + behaviour.taskMs - min(ranMs(run), behaviour.taskMs))
    }
  }

  func startTasks() {
    if behaviour.neverStarts || isEnding || standing != .running || isReady == false { return }
    var running = runs.values.filter { $0.startedAtMs != nil && $0.endedAtMs == nil }.count
    for number in runs.keys.sorted() where running < behaviour.atATime {
      guard let run = runs[number], run.startedAtMs == nil, run.endedAtMs == nil else { continue }
      if !hasBundles(run.order) { return }
      runs[number]?.startedAtMs = nowMs
      runs[number]?.stillMs = still.totalMs(nowMs: nowMs)
      executions[String(decoding: run.order.arguments[1], as: UTF8.self), default: 0] += 1
      running += 1
      say(.taskState(number: number, state: .started(unixSeconds: 1)))
      if run.order.hasInput { openInput(number) }
    }
  }

  func hasBundles(_ order: TaskOrder) -> Bool {
    var hasAll = true
    for bundle in order.bundles where pulled[bundle.digest] != Int(bundle.sizeBytes) {
      hasAll = false
      if pulling.values.contains(bundle.digest) { continue }
      pulled[bundle.digest] = 0
      let opening = StreamOpening(kind: .fileIn, key: bundle.digest)
      if let id = session?.open(opening, window: 1 << 20) { pulling[id] = bundle.digest }
    }
    return hasAll
  }

  func finish() {
    if !isEnding || runs.values.contains(where: { $0.endedAtMs == nil }) { return }
    let usage = usage
    if !saidFinal, let final = statement(usage, isFinal: true) {
      saidFinal = true
      say(.statement(body: final.encode(), providerSignature: final.sign(identity)))
    }
    let owedSat = contract?.owedSat(usage) ?? 0
    if paidSat < owedSat || saidReceipt { return }
    saidReceipt = true
    guard let receipt = statement(usage, isFinal: true) else { return }
    var closes: [SignedClose] = []
    for number in channels.indices where channels[number].funding != nil {
      if let close = try? channels[number].signClose(feeRateSatPerKvB: 1000) {
        closes.append(SignedClose(channel: UInt8(number), signatures: close))
      }
    }
    say(
      .receipt(
        body: receipt.encode(), providerSignature: receipt.sign(identity), closes: closes))
  }

  func broadcastCloses() {
    if behaviour.keepsClose { return }
    for number in channels.indices where channels[number].paidSat > 0 {
      _ = try? channels[number].close(feeRateSatPerKvB: 1000)
      while let effect = channels[number].nextEffect() {
        if case .broadcast(let transaction) = effect { world.broadcast(transaction) }
      }
    }
  }

  /// The owner's word about the lease.
  func stand(_ standing: Standing) {
    self.standing = standing
    still.set(running: standing != .running, nowMs: nowMs)
    say(.standing(standing, text: []))
    work()
    follow()
  }

  func leave() {
    isEnding = true
    say(.leaving(noticeMs: 0, text: Array("bye".utf8)))
    for number in runs.keys.sorted() { end(number, .stoppedByOwner) }
    work()
    follow()
  }

  func wantsHigherLadder(_ rate: UInt32) {
    say(.topUpWanted(topRungSatPerKvB: rate))
    follow()
  }

  // MARK: Exec sessions: each says what it reads

  func executed(_ request: ExecRequest) {
    guard let contract else { return }
    say(.execStarted(id: request.id))
    let key = ExecRequest.streamKey(contract: contract.id, id: request.id)
    let opening = StreamOpening(kind: .standardInput, key: key)
    if let id = session?.open(opening, window: 65_536) { execInputs[id] = request.id }
  }

  func execOutputOpened(_ id: StreamId, _ opening: StreamOpening) -> Bool {
    guard let contract else { return false }
    for exec in execInputs.values {
      if opening.key != ExecRequest.streamKey(contract: contract.id, id: exec) { continue }
      execOutputs[exec, default: []].append(id)
      return true
    }
    return false
  }
}
