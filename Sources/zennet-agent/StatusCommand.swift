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

/// Requests the running agent's status over its socket.
enum StatusCommand {
  static func main(_ arguments: inout Arguments) {
    let form =
      arguments.flag("--json") ? "json" : (arguments.flag("--metrics") ? "metrics" : "text")
    let configuration = Setup.configuration(&arguments)
    let path = String(decoding: configuration.dataFolder, as: UTF8.self) + "/status"
    let reactor = Reactor()
    let connection = reactor.connect(to: .unix(path: path))
    reactor.send(connection, Array((form + "\n").utf8))
    let deadlineMs = Clock.monotonicMs() + 5000
    var answer: [UInt8] = []
    while true {
      guard let event = try? reactor.next(untilMs: deadlineMs) else {
        Output.fail(.unavailable, "the agent does not answer at " + path)
      }
      switch event {
      case .received(_, let bytes): answer.append(contentsOf: bytes)
      case .closed:
        if answer.isEmpty { Output.fail(.unavailable, "no agent runs at " + path) }
        Output.text(String(decoding: answer, as: UTF8.self))
        return
      default: break
      }
    }
  }
}
