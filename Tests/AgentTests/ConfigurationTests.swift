import Ini
import Testing

@testable import Agent

private let good = """
  # One file for a whole fleet.
  [agent]
  data = /tmp/zennet
  log = debug
  [network]
  name = regtest
  peer = 127.0.0.1:18444
  peer = [::1]:18445
  peer = node.example   ; the network's own port
  lan = yes
  [payout]
  address = bcrt1qexample
  [price]
  hour_sat = 3600
  watts = 12.5
  sat_per_kwh = 200
  idle_watts = 2
  occupancy = 0.25
  [limits]
  memory_mib = 64
  cpus = 0.5
  leases = 3
  [risk]
  max_loss_sat = 5000
  stranger_sat = 50
  unconfirmed_sat = 0
  """

private func parse(_ text: String) throws(ConfigurationError) -> Configuration {
  try Configuration.parse(Array(text.utf8), file: "zennet.conf")
}

private func message(_ text: String) -> String {
  do {
    _ = try parse(text)
    return "accepted"
  } catch { return error.message }
}

@Test func everyKeyOfAGoodFileIsRead() throws {
  let configuration = try parse(good)
  #expect(configuration.dataFolder == Array("/tmp/zennet".utf8))
  #expect(configuration.logLevel == 3)
  #expect(configuration.peers.count == 3)
  #expect(configuration.peers[1] == .init(host: Array("::1".utf8), port: 18445))
  #expect(configuration.peers[2] == .init(host: Array("node.example".utf8), port: 0))
  #expect(configuration.hourSat == 3600)
  #expect(configuration.milliWatts == 12_500)
  #expect(configuration.milliCpus == 500)
  #expect(configuration.memoryMiB == 64)
  #expect(configuration.maxLossSat == 5000)
  #expect(configuration.idleMilliWatts == 2000)
  #expect(configuration.occupancyMilli == 250)
  #expect(configuration.leases == 3)
  #expect(configuration.strangerSat == 50)
  #expect(configuration.unconfirmedSat == 0)
  #expect(configuration.usesLan)
}

@Test func whatAnOwnerDoesNotSayHasADefault() {
  let configuration = Configuration()
  #expect(configuration.maxLossSat == nil && configuration.strangerSat == 100)
  #expect(configuration.unconfirmedSat == nil && configuration.occupancyMilli == 500)
  #expect(configuration.leases == 0 && !configuration.usesLan)
}

@Test(arguments: [
  ("[price]\nhour_sat = many", "zennet.conf:2: price.hour_sat: cannot be 'many'"),
  ("[price]\nhour_sat = -1", "zennet.conf:2: price.hour_sat: cannot be '-1'"),
  (
    "[price]\nhour_sat = 99999999999999999999999",
    "zennet.conf:2: price.hour_sat: cannot be '99999999999999999999999'"
  ),
  ("[price]\nhour_sat =", "zennet.conf:2: price.hour_sat: has no value"),
  ("[limits]\ncpus = 1.2345", "zennet.conf:2: limits.cpus: cannot be"),
  ("[limits]\ncpus = 1.", "zennet.conf:2: limits.cpus: cannot be"),
  ("[limits]\nleases = 0", "zennet.conf:2: limits.leases: cannot be '0'"),
  ("[price]\noccupancy = 1.1", "zennet.conf:2: price.occupancy: cannot be '1.1'"),
  ("[network]\nlan = 1", "zennet.conf:2: network.lan: cannot be '1'"),
  ("[agent]\n\ndate = /x", "zennet.conf:3: agent.date: no such key; this section has data, log"),
  ("[agnet]\ndata = /x", "zennet.conf:2: agnet.data: no such section"),
  ("[agent]\ndata = here", "zennet.conf:2: agent.data: cannot be 'here': expected an absolute"),
  ("[agent]\nlog = info\nlog = info", "zennet.conf:3: agent.log: is given twice"),
  ("[agent\ndata = /x", "zennet.conf:1: not a [section]"),
  ("hello", "zennet.conf:1: not a [section]"),
  ("[network]\npeer = host:0", "zennet.conf:2: network.peer: cannot be 'host:0'"),
  ("[network]\npeer = host:65536", "zennet.conf:2: network.peer: cannot be"),
  ("[network]\npeer = [::1", "zennet.conf:2: network.peer: cannot be"),
  ("[network]\nname = regtest\nchallenge = 51", "zennet.conf: network.challenge: belongs to"),
  ("[network]\nfile = zen.network", "zennet.conf:2: network.file: cannot be 'zen.network'"),
  ("[network]\ngossip = 1", "zennet.conf:2: network.gossip: cannot be '1'"),
  ("[network]\nname = regtest\nfile = /zen.network", "zennet.conf: network.file: replaces name"),
  ("[network]\nname = custom", "zennet.conf: network.challenge: is missing"),
  ("[network]\nname = regtest", "zennet.conf: payout.address: is missing"),
  ("", "zennet.conf: network.name: is missing"),
])
func badInputNamesFileLineAndKey(text: String, start: String) {
  let said = message(text)
  #expect(said.hasPrefix(start), "said: \(said)")
}

@Test func longLinesAndZeroBytesAreRefusedWithTheirLine() {
  let long = "[agent]\n; " + String(repeating: "x", count: 300)
  #expect(message(long).hasPrefix("zennet.conf:2: is longer than 198"))
  #expect(message("[agent]\n\u{0}").hasPrefix("zennet.conf:2: has a zero byte"))
}

/// Whatever stands in the file, reading it ends with a configuration or with a message.
@Test func mutatedFilesNeverTrap() {
  var seed: UInt64 = 0x5eed
  func next(_ bound: Int) -> Int {
    seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((seed >> 33) % UInt64(bound))
  }
  var refused = 0
  for _ in 0..<2000 {
    var bytes = Array(good.utf8)
    for _ in 0...next(4) { bytes[next(bytes.count)] = UInt8(next(256)) }
    if next(3) == 0 { bytes.removeLast(next(bytes.count)) }
    do { _ = try Configuration.parse(bytes, file: "f") } catch {
      refused += 1
      #expect(error.message.count > 3)
    }
  }
  #expect(refused > 500)
}
