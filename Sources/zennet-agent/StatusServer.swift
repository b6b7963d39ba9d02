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

/// The status server: a Unix socket in the data folder, accessible to its owner only. One request
/// line (`json`, `text` or `metrics`), one answer, then close.
struct StatusServer {
  private static let maxClients = 8

  private let path: String
  private var listener: ListenerId?
  private var clients: [(id: ConnectionId, request: [UInt8])] = []

  init(path: String) { self.path = path }

  mutating func open(_ reactor: Reactor) throws(HostError) {
    listener = try reactor.listen(on: .unix(path: path))
  }

  mutating func close(_ reactor: Reactor) {
    if let listener { reactor.close(listener) }
    listener = nil
  }

  /// Returns whether the event belonged to this server.
  mutating func handle(_ event: ReactorEvent, _ program: AgentProgram) -> Bool {
    switch event {
    case .accepted(let on, let id, _):
      if on != listener { return false }
      if clients.count >= StatusServer.maxClients {
        program.reactor.close(id)
      } else {
        clients.append((id, []))
      }
    case .received(let id, let bytes):
      guard let index = clients.firstIndex(where: { $0.id == id }) else { return false }
      clients[index].request.append(contentsOf: bytes)
      answer(index, program)
    case .closed(let id, _), .drained(let id):
      guard let index = clients.firstIndex(where: { $0.id == id }) else { return false }
      if case .closed = event { clients.remove(at: index) }
    case .connected, .timerFired, .descriptorReadable, .descriptorWritable, .signal: return false
    }
    return true
  }

  private mutating func answer(_ index: Int, _ program: AgentProgram) {
    let client = clients[index]
    let text: String
    switch StatusRequest.read(client.request) {
    case .incomplete: return
    case .tooLong:
      program.reactor.close(client.id)
      clients.remove(at: index)
      return
    case .json: text = StatusText.json(program) + "\n"
    case .metrics: text = StatusText.metrics(program)
    case .lines: text = StatusText.lines(program)
    }
    program.reactor.send(client.id, Array(text.utf8))
    program.reactor.finish(client.id)
    clients.remove(at: index)
  }
}
