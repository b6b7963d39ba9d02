import Bitcoin
import Bytes
import Crypto
import Foundation
import Market
import Testing

struct OfferTests {
  @Test func canonical() throws {
    var offer = try Fixture().offer
    try expectCanonical(offer, { $0.encode() }, Offer.decode)
    offer.environment = []
    offer.title = []
    offer.feeLadderSatPerVb = [3]
    try expectCanonical(offer, { $0.encode() }, Offer.decode, mutations: 1000)
  }

  @Test func boundsAreChecked() throws {
    func refused(_ field: StaticReason, _ change: (inout Offer) -> Void) throws {
      var offer = try Fixture().offer
      change(&offer)
      switch refusal({ _ = try Offer.decode(offer.encode()) }) {
      case .refused(let named, _, _), .malformed(let named, _):
        #expect(named == field, "\(named.text)")
      default: Issue.record("not refused: \(field.text)")
      }
    }
    try refused("title") { $0.title = [UInt8](repeating: 0x61, count: 121) }
    try refused("title") { $0.title = [0x61, 0x0a] }
    try refused("title") { $0.title = [0xff] }
    try refused("title") { $0.title = [0xc2, 0x9b] }
    try refused("arguments") { $0.arguments = [] }
    try refused("arguments") { $0.arguments = [[]] }
    try refused("arguments") { $0.arguments = [[0x61, 0]] }
    try refused("arguments") { $0.arguments = [[UInt8](repeating: 0x61, count: 4097)] }
    try refused("arguments") { $0.arguments = [[UInt8]](repeating: [0x61], count: 65) }
    try refused("offer") {
      $0.arguments = [[UInt8]](repeating: [UInt8](repeating: 0x61, count: 4000), count: 20)
    }
    try refused("environment") { $0.environment = [Array("NOVALUE".utf8)] }
    try refused("environment") { $0.environment = [Array("=value".utf8)] }
    try refused("workdir") { $0.workdir = Array("work".utf8) }
    try refused("workdir") { $0.workdir = [] }
    try refused("memory") { $0.limits.memoryMiB = 0 }
    try refused("processor share") { $0.limits.milliCpus = 0 }
    try refused("wall time") { $0.limits.wallMs = 2_592_000_001 }
    try refused("processors") { $0.processors = [] }
    try refused("workers") { $0.workers = 0 }
    try refused("price ceiling") { $0.priceCeilingSatPerHour = 0 }
    try refused("provider's loss") { $0.providerMaxLossSat = 0 }
    try refused("publisher's loss") { $0.publisherMaxLossSat = 2_100_000_000_000_001 }
    try refused("opening payment") { $0.openingPaymentSat = 329 }
    try refused("opening payment") { $0.openingPaymentSat = $0.publisherMaxLossSat + 1 }
    try refused("grace time") { $0.graceMs = 99 }
    try refused("channel lifetime") { $0.channelBlocks = 52_561 }
    try refused("funding depth") { $0.fundingDepth = 0 }
    try refused("fee ladder") { $0.feeLadderSatPerVb = [] }
    try refused("fee ladder") { $0.feeLadderSatPerVb = [5, 5] }
    try refused("bundle size") { $0.maxBundleBytes = 0 }
    try refused("result size") { $0.maxResultBytes = .max }
  }

  @Test func offerMustBeTheAnnouncedOne() throws {
    let fixture = try Fixture()
    let identity = Network.regtest.identity
    let announcement = fixture.announcement
    try fixture.offer.check(announced: announcement, network: identity)
    var other = fixture.offer
    other.graceMs += 1
    #expect(
      refusal { try other.check(announced: announcement, network: identity) }
        == .differs(field: "offer digest"))
    #expect(
      refusal { try fixture.offer.check(announced: announcement, network: .zero) }
        == .unacceptable(field: "network", problem: "the offer is for another network"))
    // An announcement that advertises what its own offer does not say.
    func differs(_ field: StaticReason, _ change: (inout Announcement) -> Void) {
      var untrue = announcement
      change(&untrue)
      #expect(
        refusal { try fixture.offer.check(announced: untrue, network: identity) }
          == .differs(field: field))
    }
    differs("workers") { $0.workers += 1 }
    differs("processors") { $0.processors.insert(.riscv64) }
    differs("RAM") { $0.ramMiB -= 1 }
    differs("isolation") { $0.isolation = .any }
    differs("price ceiling") { $0.priceCeilingSatPerHour += 1 }
    differs("payout interval") { $0.payoutIntervalMs += 1 }
  }

  @Test func jsonEscapesWhatPublishersWrite() throws {
    var offer = try Fixture().offer
    offer.arguments = [Array("a\"b\\c\n\u{1}\u{e9}".utf8), [0xff, 0xfe]]
    let parsed = try #require(
      try JSONSerialization.jsonObject(with: Data(offer.json.utf8)) as? [String: Any])
    let argv = try #require(parsed["argv"] as? [String])
    #expect(argv[0] == "a\"b\\c\n\u{1}\u{e9}")
    #expect(argv[1] == "\u{fffd}\u{fffd}")
    #expect((parsed["limits"] as? [String: Any])?["memory_mib"] as? Int == 64)
    // Terminals are not talked to by strangers.
    for line in offer.lines { #expect(!line.utf8.contains { $0 < 0x20 }) }
  }
}
