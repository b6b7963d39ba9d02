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

/// Performs the core's effects.
extension AgentProgram {
  func carryOut() {
    while let effect = nextEffect() {
      if case .storeRows = effect { prepareTasks() }
      fault.before(effect.name)
      carryOut(effect)
      fault.after(effect.name)
    }
  }

  private func nextEffect() -> AgentEffect? {
    while let effect = machine.nextEffect() { effects.append(effect) }
    return effects.popFirst()
  }

  /// Prepares sandboxes while task orders are being stored. An order must be on disk before its
  /// task starts, and the store takes about as long as creating the isolation layers; no task code
  /// runs in them yet.
  private func prepareTasks() {
    for effect in effects.waiting {
      if case .startTask(let task, let spec, let bundles) = effect {
        executor.prepare(task, spec, bundles)
      }
    }
  }

  private func carryOut(_ effect: AgentEffect) {
    switch effect {
    case .log(let level, let text): tell(level, text)
    case .dial(let key, let host, let port, let allowsPrivate):
      calls.dial(key, host, port, allowsPrivate: allowsPrivate)
    case .transmit(let key, let bytes):
      if calls.transmit(key, bytes) { machine.transportIsBlocked(key, true, now) }
    case .hangUp(let key): calls.hangUp(key)
    case .watch(let script, let fromHeight): chain.watch(script, fromHeight: fromHeight)
    case .unwatch(let script): chain.unwatch(script)
    case .broadcast(let transaction): chain.broadcast(transaction)
    case .relay(let transaction): chain.follow(transaction)
    case .forget(let txid): chain.forget(txid)
    case .storeLease, .storeRows, .storeChannel, .storeMemory, .archiveLease: storeOrEnd(effect)
    case .eraseTraces:
      do throws(StorageError) { try folder.ledger.database.checkpoint() } catch {
        log.warning("what was erased may still be on disk: " + error.message)
      }
    case .openShare, .closeShare, .freezeShare, .thawShare, .stageBundle, .dropBundle, .startTask,
      .writeInput, .closeInput, .signalTask, .terminate, .sampleUsage, .exec, .collectResults,
      .readResults, .dropResults, .destroyTask:
      executor.carryOut(effect)
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
}
