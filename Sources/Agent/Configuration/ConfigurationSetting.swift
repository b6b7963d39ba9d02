import Bitcoin
import Bytes
import Ini

/// All keys of `zennet.conf`.
struct ConfigurationSetting {
  let name: StaticString
  let isList: Bool
  /// The expected form of a value; the second half of an error message.
  let expects: StaticString
  /// Returns false if the value is invalid.
  let apply: ([UInt8], inout Configuration) -> Bool

  init(
    _ name: StaticString, isList: Bool = false, expects: StaticString,
    apply: @escaping ([UInt8], inout Configuration) -> Bool
  ) {
    self.name = name
    self.isList = isList
    self.expects = expects
    self.apply = apply
  }

  /// Applies a value. Returns nil, or the problem.
  func read(_ value: [UInt8], _ configuration: inout Configuration) -> String? {
    if value.isEmpty { return "has no value: expected " + text(expects) }
    if apply(value, &configuration) { return nil }
    return "cannot be '" + ConfigurationValue.text(value) + "': expected " + text(expects)
  }

  static func named(_ name: [UInt8]) -> ConfigurationSetting? {
    for setting in all where name.isAscii(setting.name) { return setting }
    return nil
  }

  static func unknown(_ entry: IniEntry) -> String {
    var known = ""
    for setting in all {
      let name = bytes(setting.name)
      guard let dot = name.firstIndex(of: 0x2e), Array(name[..<dot]) == entry.section else {
        continue
      }
      if !known.isEmpty { known += ", " }
      known += ConfigurationValue.text(Array(name[(dot + 1)...]))
    }
    if known.isEmpty {
      return "no such section; there are agent, network, payout, price, limits, risk and owner"
    }
    return "no such key; this section has " + known
  }

  private static func bytes(_ text: StaticString) -> [UInt8] {
    Array(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  private func text(_ string: StaticString) -> String {
    ConfigurationValue.text(ConfigurationSetting.bytes(string))
  }

  /// A whole number in `range`, stored by `set`.
  static func number(
    _ name: StaticString, expects: StaticString, _ range: ClosedRange<UInt64>,
    _ set: @escaping (inout Configuration, UInt64) -> Void
  ) -> ConfigurationSetting {
    ConfigurationSetting(name, expects: expects) { value, configuration in
      guard let number = ConfigurationValue.number(value), range.contains(number) else {
        return false
      }
      set(&configuration, number)
      return true
    }
  }

  static var all: [ConfigurationSetting] { general + money + limits + owner }

  private static var general: [ConfigurationSetting] {
    [
      ConfigurationSetting("agent.data", expects: "an absolute path") { value, configuration in
        if value[0] != 0x2f || value.count > 128 { return false }
        configuration.dataFolder = value
        return true
      },
      ConfigurationSetting("agent.log", expects: "error, warning, info or debug") {
        value, configuration in
        let levels: [StaticString] = ["error", "warning", "info", "debug"]
        for index in 0..<levels.count where value.isAscii(levels[index]) {
          configuration.logLevel = UInt8(index)
          return true
        }
        return false
      },
      number("agent.bench_ms", expects: "20 to 60000 milliseconds", 20...60_000) {
        $0.benchMs = $1
      },
      number("agent.report_blocks", expects: "1 to 52560 blocks", 1...52_560) {
        $0.reportBlocks = UInt32($1)
      },
      ConfigurationSetting(
        "network.name", expects: "regtest, signet, testnet4, bitcoin or custom"
      ) { value, configuration in
        let names: [StaticString] = ["regtest", "signet", "testnet4", "bitcoin", "custom"]
        for name in names where value.isAscii(name) {
          configuration.networkName = value
          return true
        }
        return false
      },
      ConfigurationSetting("network.file", expects: "an absolute path") { value, configuration in
        if value[0] != 0x2f { return false }
        configuration.networkFile = value
        return true
      },
      ConfigurationSetting("network.gossip", expects: "yes or no") { value, configuration in
        if !value.isAscii("yes") && !value.isAscii("no") { return false }
        configuration.usesGossip = value.isAscii("yes")
        return true
      },
      ConfigurationSetting("network.lan", expects: "yes or no") { value, configuration in
        if !value.isAscii("yes") && !value.isAscii("no") { return false }
        configuration.usesLan = value.isAscii("yes")
        return true
      },
      ConfigurationSetting(
        "network.challenge", expects: "a script in hexadecimal, at most 160 digits"
      ) { value, configuration in
        guard let script = Hex.decode(ConfigurationValue.text(value)), script.count <= 80 else {
          return false
        }
        configuration.signetChallenge = script
        return true
      },
      ConfigurationSetting(
        "network.peer", isList: true, expects: "host or host:port, at most 32 peers"
      ) { value, configuration in
        // Port 0 stands for the network's default until the network is known.
        guard let found = ConfigurationValue.endpoint(value, defaultPort: 0) else { return false }
        if configuration.peers.count >= 32 { return false }
        configuration.peers.append(.init(host: found.host, port: found.port))
        return true
      },
      number("network.lookback", expects: "0 to 52560 blocks", 0...52_560) {
        $0.lookbackBlocks = UInt32($1)
      },
    ]
  }

  private static var money: [ConfigurationSetting] {
    [
      ConfigurationSetting("payout.address", expects: "a bech32 address") { value, configuration in
        if value.count > 90 { return false }
        configuration.payoutAddress = value
        return true
      },
      number("price.hour_sat", expects: "1 to 1000000000 sat", 1...OwnerPrice.maxHourSat) {
        $0.hourSat = $1
      },
      ConfigurationSetting("price.watts", expects: "0.001 to 10000 watts") {
        value, configuration in
        guard let milliWatts = ConfigurationValue.thousandths(value),
          (1...10_000_000).contains(milliWatts)
        else { return false }
        configuration.milliWatts = milliWatts
        return true
      },
      ConfigurationSetting("price.idle_watts", expects: "0.001 to 10000 watts") {
        value, configuration in
        guard let milliWatts = ConfigurationValue.thousandths(value),
          (1...10_000_000).contains(milliWatts)
        else { return false }
        configuration.idleMilliWatts = milliWatts
        return true
      },
      ConfigurationSetting("price.occupancy", expects: "0 to 1, the reservation's part of an hour")
      {
        value, configuration in
        guard let milli = ConfigurationValue.thousandths(value), milli <= 1000 else { return false }
        configuration.occupancyMilli = UInt32(milli)
        return true
      },
      number("price.sat_per_kwh", expects: "1 to 100000000000 sat", 1...100_000_000_000) {
        $0.satPerKilowattHour = $1
      },
      number("risk.max_loss_sat", expects: "1 to 100000000 sat", 1...100_000_000) {
        $0.maxLossSat = $1
      },
      number("risk.stranger_sat", expects: "1 to 100000000 sat", 1...100_000_000) {
        $0.strangerSat = $1
      },
      number("risk.unconfirmed_sat", expects: "0 to 100000000 sat", 0...100_000_000) {
        $0.unconfirmedSat = $1
      },
      number("risk.close_margin", expects: "2 to 1008 blocks", 2...1008) {
        $0.closeMarginBlocks = UInt32($1)
      },
      number("risk.min_channel", expects: "1 to 52560 blocks", 1...52_560) {
        $0.minChannelBlocks = UInt32($1)
      },
      number("risk.funding_depth", expects: "1 to 100 confirmations", 1...100) {
        $0.fundingDepth = UInt32($1)
      },
    ]
  }

  private static var limits: [ConfigurationSetting] {
    [
      number("limits.memory_mib", expects: "4 to 4194304 MiB", 4...4_194_304) {
        $0.memoryMiB = UInt32($1)
      },
      ConfigurationSetting("limits.cpus", expects: "0.01 to 1024 processors") {
        value, configuration in
        guard let milliCpus = ConfigurationValue.thousandths(value),
          (10...1_024_000).contains(milliCpus)
        else { return false }
        configuration.milliCpus = UInt32(milliCpus)
        return true
      },
      number("limits.disk_mib", expects: "1 to 4194304 MiB", 1...4_194_304) {
        $0.diskMiB = UInt32($1)
      },
      number("limits.pids", expects: "4 to 65536 processes", 4...65_536) {
        $0.pids = UInt32($1)
      },
      number("limits.leases", expects: "1 to 1024 leases", 1...1024) {
        $0.leases = UInt32($1)
      },
    ]
  }
}
