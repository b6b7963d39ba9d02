import Bitcoin
import Bytes
import Ini
import Market

/// The owner's configuration of one host or a fleet (`zennet.conf`).
public struct Configuration {
  /// A peer of the chain.
  public struct Endpoint: Equatable {
    public var host: [UInt8]
    public var port: UInt16
    public init(host: [UInt8], port: UInt16) {
      self.host = host
      self.port = port
    }
  }

  // [agent]
  /// The folder that holds identity, channels and the chain cache.
  public var dataFolder: [UInt8] = Array("/var/lib/zennet".utf8)
  /// The highest level logged: 0 error, 1 warning, 2 info, 3 debug.
  public var logLevel: UInt8 = 2

  /// Minimum run time of each benchmark kernel.
  public var benchMs: UInt64 = 700
  /// Age in blocks at which the capability report is measured again.
  public var reportBlocks: UInt32 = 1008

  // [network]
  public var networkName: [UInt8] = []
  /// The path of a network file, given instead of a name.
  public var networkFile: [UInt8] = []
  /// A custom signet's challenge script; empty for named networks.
  public var signetChallenge: [UInt8] = []
  /// Peers to connect to; port 0 means the network's default.
  public var peers: [Endpoint] = []
  /// Whether to connect to addresses from peers and seeds too; nil if not configured.
  public var usesGossip: Bool?
  /// Whether to call publishers on private, loopback and link-local addresses.
  public var usesLan = false
  /// How many blocks before the tip a new agent starts to look for announcements.
  public var lookbackBlocks: UInt32 = 144

  // [payout]
  /// The payout address as text; checked once the network is known.
  public var payoutAddress: [UInt8] = []

  // [price]
  /// The price of one hour of full use of all resources, in sat.
  public var hourSat: UInt64 = 0
  /// The reservation's part of the hourly price, in thousandths.
  public var occupancyMilli: UInt32 = 500
  /// Power at full load in milliwatts; 0 if not configured.
  public var milliWatts: UInt64 = 0
  /// Idle power in milliwatts; nil for the same as at full load.
  public var idleMilliWatts: UInt64?
  /// Electricity price in sat per kilowatt-hour.
  public var satPerKilowattHour: UInt64 = 0

  // [limits]: resource limits of all leases together
  public var memoryMiB: UInt32 = 256
  public var milliCpus: UInt32 = 1000
  public var diskMiB: UInt32 = 256
  public var pids: UInt32 = 128
  /// Most concurrent leases; 0 for one per processor.
  public var leases: UInt32 = 0

  // [risk]
  /// The most that any publisher may owe, in sat; nil derives it from the price (``RiskRule``).
  public var maxLossSat: UInt64?
  /// The same for publishers that have not settled a lease with this provider.
  public var strangerSat: UInt64 = RiskRule.strangerSat
  /// The most that all leases with unconfirmed fundings may owe, including double spends of the
  /// last day, in sat; nil for ten minutes of the price.
  public var unconfirmedSat: UInt64?
  /// Blocks before a channel's expiry at which the agent closes it: the minimum that a contract may
  /// specify.
  public var closeMarginBlocks: UInt32 = 24
  /// The shortest accepted channel lifetime, in blocks beyond the margin.
  public var minChannelBlocks: UInt32 = 12
  /// Confirmations of the funding before its payments count.
  public var fundingDepth: UInt32 = 1

  // [owner]: when tasks pause
  public var owner = OwnerWishes()

  public init() {}

  /// Parses INI text. `file` is used in messages only. Throws for the first wrong line or a missing
  /// key.
  public static func parse(
    _ text: [UInt8], file: String
  ) throws(ConfigurationError) -> Configuration {
    var seen: [[UInt8]] = []
    // The closure does not escape, but inih's C callback requires an escaping type.
    let box = ConfigurationBox()
    try IniFile.read(text, file: file) { entry in
      let name = entry.section + [0x2e] + entry.key
      guard let setting = ConfigurationSetting.named(name) else {
        return ConfigurationSetting.unknown(entry)
      }
      if !setting.isList {
        for earlier in seen where earlier == name { return "is given twice" }
        seen.append(name)
      }
      return setting.read(entry.value, &box.configuration)
    }
    let configuration = box.configuration
    try configuration.check(file: file)
    return configuration
  }

  private func check(file: String) throws(ConfigurationError) {
    func missing(_ key: String, _ reason: String) -> ConfigurationError {
      ConfigurationError(file: file, line: 0, key: key, reason: reason)
    }
    if networkName.isEmpty && networkFile.isEmpty {
      throw missing(
        "network.name",
        "is missing: regtest, signet, testnet4, bitcoin or custom, or the file of a network")
    }
    if !networkName.isEmpty && !networkFile.isEmpty {
      throw missing("network.file", "replaces name and challenge: give one or the other")
    }
    if networkName.isAscii("custom") == signetChallenge.isEmpty {
      throw missing(
        "network.challenge",
        signetChallenge.isEmpty
          ? "is missing: a custom network needs its challenge"
          : "belongs to name = custom only")
    }
    if payoutAddress.isEmpty {
      throw missing("payout.address", "is missing: an address that the owner can spend from")
    }
    if hourSat == 0 && (milliWatts == 0 || satPerKilowattHour == 0) {
      throw missing(
        "price.hour_sat", "is missing: give the price of an hour, or watts and sat_per_kwh")
    }
  }
}

private final class ConfigurationBox {
  var configuration = Configuration()
}
