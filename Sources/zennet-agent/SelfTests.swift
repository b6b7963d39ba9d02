import Bitcoin
import Channel

/// The modules that bring vectors, in the order of the layers.
enum SelfTests {
  static func run(_ report: (StaticString, Bool) -> Void) {
    BitcoinSelfTest.run(report)
    ChannelSelfTest.run(report)
  }
}
