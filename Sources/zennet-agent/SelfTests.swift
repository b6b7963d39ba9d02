import Bitcoin
import Capability
import Channel
import Host
import LightClient
import Market
import Storage

/// The modules that bring vectors, in the order of the layers.
enum SelfTests {
  static func run(_ report: (StaticString, Bool) -> Void) {
    BitcoinSelfTest.run(report)
    LightClientSelfTest.run(report)
    ChannelSelfTest.run(report)
    MarketSelfTest.run(report)
    CapabilitySelfTest.run(report)
    StorageSelfTest.run(report)
    HostSelfTest.run(report)
  }
}
