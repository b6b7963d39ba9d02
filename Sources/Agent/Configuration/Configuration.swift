import Bitcoin
import Bytes
import Ini
import Market

/// What an owner decides about a machine, or about a whole fleet with one file (`zennet.conf`).
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
  /// 0 error, 1 warning, 2 info, 3 debug.
  public var logLevel: UInt8 = 2

  /// How long each benchmark kernel is run, at least.
  public var benchMs: UInt64 = 700
  /// A report older than this many blocks is measured anew.
  public var reportBlocks: UInt32 = 1008

  // [network]
  public var networkName: [UInt8] = []
  /// The path of a network file, which takes the place of a name.
  public var networkFile: [UInt8] = []
  /// A custom signet's challenge script; empty for the networks that have a name.
  public var signetChallenge: [UInt8] = []
  /// Peers to dial; port 0 stands for the network's own.
  public var peers: [Endpoint] = []
  /// Whether addresses that peers and seeds tell are dialled too; nil where the owner did not say.
  public var usesGossip: Bool?
  /// Whether publishers on private, loopback and link-local addresses are called.
  public var usesLan = false
  /// Height from which a machine that has no history looks for announcements: this many blocks
  /// before the tip.
  public var lookbackBlocks: UInt32 = 144

  // [payout]
  /// Where the owner is paid, as text; its network is checked when the network is known.
  public var payoutAddress: [UInt8] = []

  // [price]
  /// What one full hour of all that leases get should earn, in sat.
  public var hourSat: UInt64 = 0
  /// The part of an hour's price that is for the reservation alone, thousandths.
  public var occupancyMilli: UInt32 = 500
  /// Thousandths of a watt drawn by the machine at full load; 0 where the owner did not say.
  public var milliWatts: UInt64 = 0
  /// The same while it waits; nil where the owner did not say: as at full load.
  public var idleMilliWatts: UInt64?
  /// Price of electricity in sat for a kilowatt-hour.
  public var satPerKilowattHour: UInt64 = 0

  // [limits]: the most that leases get of this machine, all together
  public var memoryMiB: UInt32 = 256
  public var milliCpus: UInt32 = 1000
  public var diskMiB: UInt32 = 256
  public var pids: UInt32 = 128
  /// Leases at a time; 0: one for each processor.
  public var leases: UInt32 = 0

  // [risk]
  /// The most that this owner lets any publisher owe, in sat; nil leaves it to the price (``RiskRule``).
  public var maxLossSat: UInt64?
  /// The same for publishers that have not settled a lease with this machine yet.
  public var strangerSat: UInt64 = RiskRule.strangerSat
  /// What all leases may owe together before their fundings confirm, double spends of a day included; nil
  /// is ten minutes of the price.
  public var unconfirmedSat: UInt64?
  /// Blocks before a channel's expiry at which the agent closes it, whatever the lease does: the
  /// least that a contract may have.
  public var closeMarginBlocks: UInt32 = 24
  /// The shortest channel worth entering, in blocks beyond the margin.
  public var minChannelBlocks: UInt32 = 12
  /// Confirmations that a funding needs before its payments count.
  public var fundingDepth: UInt32 = 1

  // [owner]: when tasks have to make way
  public var owner = OwnerWishes()

  public init() {}

  /// Reads INI text. `file` is only for messages. Throws for the first line that is wrong, or for
  /// a key that is missing.
  public static func parse(
    _ text: [UInt8], file: String
  ) throws(ConfigurationError) -> Configuration {
    var seen: [[UInt8]] = []
    // The closure outlives no call, but inih's C callback makes it escape in the compiler's eyes.
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
      throw missing("network.file", "takes the place of name and challenge: give one or the other")
    }
    if networkName.isAscii("custom") == signetChallenge.isEmpty {
      throw missing(
        "network.challenge",
        signetChallenge.isEmpty
          ? "is missing: a custom network is known by its challenge"
          : "belongs to name = custom only")
    }
    if payoutAddress.isEmpty {
      throw missing("payout.address", "is missing: an address that the owner can spend from")
    }
    if hourSat == 0 && (milliWatts == 0 || satPerKilowattHour == 0) {
      throw missing(
        "price.hour_sat", "is missing: say what an hour should earn, or watts and sat_per_kwh")
    }
  }
}

private final class ConfigurationBox {
  var configuration = Configuration()
}
