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

/// Stores money's state before any later effect. On a full disk the agent freezes all tasks and
/// waits for space; any other storage error ends the program.
extension AgentProgram {
  private static let retryMs: UInt64 = 2000
  /// The interval of repeated log lines about a full disk.
  private static let reminderMs: UInt64 = 600_000

  func storeOrEnd(_ effect: AgentEffect) {
    do throws(StorageError) { try store.carryOut(effect, unixSeconds: Clock.unixSeconds()) } catch {
      if !error.isFull {
        Output.fail(error, "; stopping, as money's state must be on disk")
      }
      waitForRoom(effect, error)
    }
  }

  private func waitForRoom(_ effect: AgentEffect, _ full: StorageError) {
    let frozen = executor.freezeAll()
    var error = full
    var remindAtMs: UInt64 = 0
    while error.isFull {
      let nowMs = Clock.monotonicMs()
      if nowMs >= remindAtMs {
        log.error(
          error.message + " for money's state: the agent waits for space; leases frozen: "
            + "\(frozen.count)")
        remindAtMs = nowMs + AgentProgram.reminderMs
      }
      if reactor.sleep(untilMs: nowMs + AgentProgram.retryMs) {
        Output.fail(error, "; stopping, as asked, with the state that was stored last")
      }
      do throws(StorageError) {
        try store.carryOut(effect, unixSeconds: Clock.unixSeconds())
        log.warning("the disk has room again")
        for lease in frozen { lease.setFrozen(false) }
        return
      } catch let next { error = next }
    }
    Output.fail(error, "; stopping, as money's state must be on disk")
  }

  /// Peers can provide all data of the chain's cache again, so a full disk does not stop the agent.
  func lookAtCache() {
    if let fault = chain.storageFault { Output.fail(fault) }
    if chain.cacheIsFull && !hasToldOfCache {
      hasToldOfCache = true
      log.warning("no space for the chain's headers: continuing without storing them")
    }
  }
}
