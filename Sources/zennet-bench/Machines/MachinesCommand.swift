import Bytes
import Foundation
import Host
import Market

/// `zennet-bench machines`: many providers in one process, over sockets of their own, until SIGTERM.
/// They are hired a few at a time, as a publisher bounds the callers of one address.
final class MachinesCommand {
  private struct Opened: Encodable { let leases: Int }

  /// Callers that have not proven who they are, and those that are not hired yet.
  private static let connectingAtOnce = 3
  private static let negotiatingAtOnce = 12
  private static let retryMs: UInt64 = 500
  private static let timeoutMs: UInt64 = 600_000

  private let host: String
  private let port: UInt16
  private let invitation: SimulatedMachine.Invitation
  private let reactor: Reactor
  private var machines: [ConnectionId: SimulatedMachine] = [:]
  /// Indices of machines that have no connection, and when the next may dial.
  private var waiting: [Int]
  private var dialAtMs: UInt64 = 0
  private var indices: [ConnectionId: Int] = [:]
  private var open = 0
  private var lastProblem = ""

  static func run(_ options: Options) throws {
    try allowDescriptors(options.count + 64)
    let endpoint = Market.Endpoint(text: options.publisher)!
    let invitation = try AnnouncementSearch.run(
      nodePort: options.port, endpoint: endpoint, untilMs: Clock.monotonicMs() + timeoutMs)
    let command = MachinesCommand(options.count, endpoint, invitation)
    try command.hireAll(untilMs: Clock.monotonicMs() + timeoutMs)
    let line = try JSONEncoder().encode(Opened(leases: options.count))
    FileHandle.standardOutput.write(line + Data("\n".utf8))
    try command.idle()
  }

  private init(_ count: Int, _ endpoint: Market.Endpoint, _ invitation: SimulatedMachine.Invitation)
  {
    host = endpoint.hostText
    port = endpoint.port
    self.invitation = invitation
    waiting = Array((0..<count).reversed())
    var limits = Reactor.Limits()
    limits.connections = count + 1
    reactor = Reactor(limits: limits)
  }

  private static func allowDescriptors(_ count: Int) throws {
    var bound = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &bound)
    if bound.rlim_cur >= UInt(count) { return }
    bound.rlim_cur = min(bound.rlim_max, UInt(count))
    if bound.rlim_cur < UInt(count)
      || setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &bound) != 0
    {
      throw Trouble(reason: "\(count) open files are needed; raise the limit (ulimit -n)")
    }
  }

  struct Trouble: Error { let reason: String }

  private func hireAll(untilMs: UInt64) throws {
    let count = waiting.count
    var reported = 0
    while open < count {
      let nowMs = Clock.monotonicMs()
      if nowMs >= untilMs { throw Trouble(reason: "\(open) of \(count) leases: \(lastProblem)") }
      dial(nowMs: nowMs)
      try turn()
      if open / 100 > reported {
        reported = open / 100
        note("\(open) leases are open")
      }
    }
  }

  /// Holds the leases. A lease that ends is an error: then the measurement is of something else.
  private func idle() throws {
    let count = open
    while open == count { try turn() }
    throw Trouble(reason: "a lease ended: \(lastProblem)")
  }

  private func dial(nowMs: UInt64) {
    var connecting = 0
    var negotiating = 0
    for machine in machines.values {
      switch machine.phase {
      case .connecting: connecting += 1
      case .negotiating: negotiating += 1
      case .accepted, .open, .ended: break
      }
    }
    if nowMs < dialAtMs { return }
    while connecting < MachinesCommand.connectingAtOnce,
      connecting + negotiating < MachinesCommand.negotiatingAtOnce, let index = waiting.popLast()
    {
      guard
        let machine = try? SimulatedMachine(
          index: index, invitation, ephemeral: Entropy.bytes32(), nowMs: nowMs)
      else { continue }
      let connection = reactor.connect(to: .tcp(host: host, port: port))
      machines[connection] = machine
      indices[connection] = index
      settle(machine, connection)
      connecting += 1
    }
  }

  private func turn() throws {
    var untilMs = Clock.monotonicMs() + 1_000
    for machine in machines.values { untilMs = min(untilMs, machine.nextDeadlineMs) }
    if !waiting.isEmpty { untilMs = min(untilMs, max(dialAtMs, Clock.monotonicMs() + 50)) }
    for event in try reactor.poll(untilMs: untilMs) { handle(event) }
    let nowMs = Clock.monotonicMs()
    for (connection, machine) in machines where machine.nextDeadlineMs <= nowMs {
      machine.timePassed(nowMs: nowMs)
      settle(machine, connection)
    }
  }

  private func handle(_ event: ReactorEvent) {
    switch event {
    case .received(let connection, let bytes):
      guard let machine = machines[connection] else { return }
      machine.received(bytes, nowMs: Clock.monotonicMs())
      settle(machine, connection)
    case .closed(let connection, _):
      guard let machine = machines[connection] else { return }
      machine.transportEnded()
      settle(machine, connection)
    default: break
    }
  }

  private func settle(_ machine: SimulatedMachine, _ connection: ConnectionId) {
    let wasOpen = machine.phase == .open
    var problem = ""
    do {
      for bytes in try machine.settle(invitation) { reactor.send(connection, bytes) }
      if case .ended(let reason) = machine.phase { problem = reason }
    } catch { problem = "\(error)" }
    let isOpen = problem.isEmpty && machine.phase == .open
    if isOpen != wasOpen { open += isOpen ? 1 : -1 }
    if problem.isEmpty { return }
    lastProblem = problem
    reactor.close(connection)
    machines[connection] = nil
    guard let index = indices.removeValue(forKey: connection) else { return }
    waiting.append(index)
    dialAtMs = Clock.monotonicMs() + MachinesCommand.retryMs
  }
}
