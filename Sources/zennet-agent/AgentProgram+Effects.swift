import Agent
import Bitcoin
import Bytes
import Capability
import ChainFollower
import Crypto
import Host
import LightClient
import Market
import Sandbox
import Storage

/// What the mind decides, done.
extension AgentProgram {
  /// Above this, the publisher is not reading fast enough to be sent more.
  private static let blockedBytes = 262_144

  func carryOut() {
    while let effect = machine.nextEffect() {
      fault.before(effect.name)
      carryOut(effect)
      fault.after(effect.name)
    }
  }

  private func carryOut(_ effect: AgentEffect) {
    switch effect {
    case .log(let level, let text): tell(level, text)
    case .dial(let key, let host, let port):
      let host = String(decoding: host, as: UTF8.self)
      body(key).connection = reactor.connect(to: .tcp(host: host, port: port))
    case .transmit(let key, let bytes): transmit(key, bytes)
    case .hangUp(let key):
      let body = body(key)
      if let connection = body.connection { reactor.finish(connection) }
      body.connection = nil
      dropIfEmpty(body)
    case .watch(let script, let fromHeight): chain.watch(script, fromHeight: fromHeight)
    case .unwatch(let script): chain.unwatch(script)
    case .broadcast(let transaction): chain.broadcast(transaction)
    case .forget(let txid): chain.forget(txid)
    case .storeJob, .storeChannel, .archiveChannel: storeOrEnd(effect)
    case .eraseTraces:
      do throws(StorageError) { try folder.ledger.database.checkpoint() } catch {
        log.warning("what was erased may still be on disk: " + error.message)
      }
    case .loadBundle, .cacheBundle, .stageBundle, .dropBundle, .startSandbox, .writeInput,
      .closeInput, .freeze, .thaw,
      .terminate, .program, .sampleUsage, .collectResults, .readResults, .destroySandbox:
      carryOutInSandbox(effect)
    }
  }

  private func tell(_ level: UInt8, _ text: String) {
    switch level {
    case 0: log.error(text)
    case 1: log.warning(text)
    case 2: log.info(text)
    default: log.debug(text)
    }
  }

  private func transmit(_ key: JobKey, _ bytes: [UInt8]) {
    let body = body(key)
    guard let connection = body.connection else { return }
    body.process?.countTransfer(bytes: UInt64(bytes.count))
    reactor.send(connection, bytes)
    if reactor.pendingBytes(connection) > AgentProgram.blockedBytes {
      machine.transportIsBlocked(key, true, now)
    }
  }

  func store(_ effect: AgentEffect) throws(StorageError) {
    let channels = folder.ledger.channels
    let seconds = Clock.unixSeconds()
    switch effect {
    case .storeJob(let contract, let record):
      try folder.ledger.documents.put(
        StoredDocument(
          kind: DocumentKind.job, id: contract, unixSeconds: seconds, body: record))
    case .storeChannel(let contract, let sequence, let amountSat, let state):
      try channels.store(
        contract, sequence: sequence, amountSat: amountSat, state: state, unixSeconds: seconds)
    case .archiveChannel(let contract):
      if let stored = try channels.load(contract), !stored.isClosed {
        try channels.close(contract, state: stored.state, unixSeconds: seconds)
      }
    default: break
    }
  }
}
