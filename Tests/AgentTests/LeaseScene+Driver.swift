import Bitcoin
import Bytes
import Crypto
import LightClient
import Market
import Sandbox
import TestSupport
import Testing
@testable import Agent

/// The driver: what the machine wants done.
extension LeaseScene {
  // MARK: The driver

  /// Until all is quiet.
  func run() {
    repeat {
      while let effect = machine.nextEffect() { carryOut(effect) }
      var isQuiet = true
      for publisher in publishers {
        // What was sent at once comes at once.
        var chunks: [(key: UInt32, bytes: [UInt8])] = []
        for (key, bytes) in publisher.takeOutbox() where wires[CallKey(key)] === publisher {
          if chunks.last?.key == key {
            chunks[chunks.count - 1].bytes += bytes
          } else {
            chunks.append((key, bytes))
          }
        }
        for (key, bytes) in chunks {
          machine.received(bytes, from: CallKey(key), now)
          isQuiet = false
        }
      }
      if endDueTasks() { isQuiet = false }
      if isQuiet { return }
    } while true
  }

  func carryOut(_ effect: AgentEffect) {
    effects.append(effect.name.description)
    switch effect {
    case .log(_, let text): log.append(text)
    case .dial(let key, let host, _, _): dial(key, String(decoding: host, as: UTF8.self))
    case .transmit(let key, let bytes):
      wires[key]?.receive(key.value, bytes, nowMs: nowMs)
    case .hangUp(let key):
      wires[key]?.disconnected(key.value)
      wires[key] = nil
    case .broadcast(let transaction): broadcasts.append(transaction)
    case .relay(let transaction):
      relays.append(transaction)
      if peersAsk {
        machine.chainTold(
          .transactionRelayed(txid: transaction.txid, peers: 2), now, authenticatedHeight: height,
          feeRateSatPerKvB: 1000)
      }
    case .watch, .unwatch, .forget: break
    case .eraseTraces: erasures += 1
    case .storeLease, .storeRows, .storeChannel, .archiveLease, .storeMemory: store(effect)
    default: carryOutInSandbox(effect)
    }
  }

  func dial(_ key: CallKey, _ host: String) {
    dials.append((host, nowMs))
    guard
      let publisher = publishers.first(where: { $0.endpoint.hostText == host && $0.isThere })
    else { return machine.publisherDisconnected(key, now) }
    if let former = publisher.hangUp() {
      wires[CallKey(former)] = nil
      machine.publisherDisconnected(CallKey(former), now)
    }
    wires[key] = publisher
    publisher.connected(key.value, nowMs: nowMs)
    machine.publisherConnected(key, now)
  }

  func store(_ effect: AgentEffect) {
    disk.commits += 1
    switch effect {
    case .storeLease(let contract, let record): disk.records[contract] = record
    case .storeRows(let contract, let rows):
      for row in rows {
        disk.rows[contract, default: [:]][row.number] = row.body.isEmpty ? nil : row.body
      }
    case .storeChannel(let id, let sequence, let amountSat, let state):
      if let former = disk.channels[id] {
        #expect(sequence >= former.sequence && amountSat >= former.amountSat)
      }
      disk.channels[id] = (sequence, amountSat, state)
    case .archiveLease(let contract, _):
      disk.archived.append(contract)
      disk.rows[contract] = nil
    case .storeMemory(let kind, let bytes): disk.memory[kind] = bytes
    default: break
    }
  }

  func carryOutInSandbox(_ effect: AgentEffect) {
    switch effect {
    case .openShare(let key, _, _): shares.insert(key)
    case .closeShare(let key):
      shares.remove(key)
      bundles[key] = nil
      for ref in tasks.keys where ref.lease == key { tasks[ref] = nil }
    case .freezeShare(let key): frozen.insert(key)
    case .thawShare(let key): frozen.remove(key)
    case .stageBundle(let key, let digest, let bytes):
      #expect(shares.contains(key), "a bundle has nowhere to go")
      bundles[key, default: [:]][digest, default: []] += bytes
    case .dropBundle(let key, let digest): bundles[key]?[digest] = nil
    case .startTask(let ref, let spec, let digests): start(ref, spec, digests)
    case .writeInput(let ref, let bytes):
      tasks[ref]?.input += bytes
      machine.inputTaken(ref, count: bytes.count, now)
    case .signalTask: break
    case .terminate(let ref, let reason): end(ref, .terminated(reason))
    case .sampleUsage(let ref):
      if let task = tasks[ref] { machine.usageSampled(ref, task.usage, now) }
    case .collectResults(let ref, _, let limit):
      let bytes = [UInt8](repeating: 5, count: min(50_000, Int(limit)))
      tasks[ref]?.collected = bytes
      machine.resultsCollected(
        ref, sizeBytes: UInt64(bytes.count), digest: Sha256.hash(bytes), now)
    case .readResults(let ref, let offset, let count):
      let bytes = tasks[ref]?.collected ?? []
      machine.resultBytes(
        ref, Array(bytes[Int(offset)..<min(bytes.count, Int(offset) + count)]), offset: offset, now)
    case .dropResults(let ref): tasks[ref] = nil
    case .destroyTask(let ref): if tasks[ref]?.collected.isEmpty == true { tasks[ref] = nil }
    default: break
    }
  }

  func start(_ ref: TaskRef, _ spec: JobSpec, _ digests: [Bytes32]) {
    #expect(shares.contains(ref.lease))
    for digest in digests {
      #expect(Sha256.hash(bundles[ref.lease]?[digest] ?? []) == digest)
    }
    #expect(tasks[ref] == nil, "a task is started twice")
    let task = Task(ref, spec, nowMs: nowMs)
    tasks[ref] = task
    let words = spec.arguments[0].split(separator: " ").map(String.init)
    if words[0] == "missing" {
      return machine.taskEnded(ref, .notExecutable(code: 2), task.usage, now)
    }
    if !sandboxesStart { return }
    task.hasStarted = true
    machine.taskStarted(ref, now)
    if words[0] == "print" { machine.outputRead(ref, Array(words[1].utf8), isError: false, now) }
    if words[0] == "true" || words[0] == "print" { end(ref, .exited(status: 0)) }
  }
}
