import Agent
import Bitcoin
import Host

/// Runs the agent.
enum RunCommand {
  static func main(_ arguments: inout Arguments) {
    var fault = FaultPoint()
    fault.before("start")
    let configuration = Setup.configuration(&arguments)
    let (network, peers) = Setup.network(configuration)
    let payoutScript = Setup.payoutScript(configuration, network)
    let folder = DataFolder.open(configuration)
    AgentProgram(
      configuration: configuration, network: network, peers: peers, payoutScript: payoutScript,
      folder: folder
    ).run()
  }
}
