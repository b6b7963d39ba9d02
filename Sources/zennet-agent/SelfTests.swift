import Agent
import Bitcoin
import Capability
import Channel
import Crypto
import Host
import LightClient
import Market
import Sandbox
import Session
import Storage

/// Runs the self-tests of all modules, lowest layers first.
enum SelfTests {
  static func run(_ report: (StaticString, Bool) -> Void) {
    CryptoSelfTest.run(report)
    BitcoinSelfTest.run(report)
    LightClientSelfTest.run(report)
    ChannelSelfTest.run(report)
    MarketSelfTest.run(report)
    SessionSelfTest.run(report)
    CapabilitySelfTest.run(report)
    SandboxSelfTest.run(report)
    StorageSelfTest.run(report)
    HostSelfTest.run(report)
    AgentSelfTest.run(report)
  }
}
