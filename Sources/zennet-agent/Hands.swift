import Agent
import Bytes
import Host
import Market
import Sandbox

/// Shared dependencies of the driver's sandbox code.
final class Hands {
  let sandbox: Sandbox
  let reactor: Reactor
  let machine: AgentMachine
  let log: Log
  private var lastPort: UInt64 = 0

  init(_ sandbox: Sandbox, _ reactor: Reactor, _ machine: AgentMachine, _ log: Log) {
    self.sandbox = sandbox
    self.reactor = reactor
    self.machine = machine
    self.log = log
  }

  var nowMs: UInt64 { Clock.monotonicMs() }
  var now: Instant { Instant(nowMs: nowMs, unixSeconds: Clock.unixSeconds()) }

  func nextPort() -> PortId {
    lastPort += 1
    return PortId(value: lastPort)
  }

  /// Logs an error that the core cannot handle.
  func report(_ body: () throws(SandboxError) -> Void) {
    do throws(SandboxError) { try body() } catch { log.error(error.message) }
  }

  static func texts(_ list: [[UInt8]]) -> [String] {
    var texts: [String] = []
    for bytes in list { texts.append(String(decoding: bytes, as: UTF8.self)) }
    return texts
  }
}
