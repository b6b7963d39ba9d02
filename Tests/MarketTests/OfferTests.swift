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
    offer.title = []
    offer.feeLadderSatPerKvB = [300]
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
    try refused("memory") { $0.share.memoryMiB = 0 }
    try refused("processor share") { $0.share.milliCpus = 0 }
    try refused("processes") { $0.share.pids = 0 }
    try refused("disk") { $0.share.diskMiB = 0 }
    try refused("processors") { $0.processors = [] }
    try refused("workers") { $0.workers = 0 }
    try refused("price ceiling") { $0.priceCeilingSatPerHour = 0 }
    try refused("disk traffic") { $0.traffic.diskKiB = 1 << 41 }
    try refused("network traffic") { $0.traffic.networkKiB = .max }
    try refused("payout interval") { $0.payoutIntervalMs = 99 }
    try refused("publisher's loss") { $0.publisherMaxLossSat = 2_100_000_000_000_001 }
    try refused("stop grace") { $0.stopGraceMs = 60_001 }
    try refused("hold time") { $0.holdMs = 59_999 }
    try refused("notice") { $0.noticeMs = 86_400_001 }
    try refused("channel lifetime") { $0.channelBlocks = 52_561 }
    try refused("close margin") { $0.closeMarginBlocks = 144 }
    try refused("funding depth") { $0.fundingDepth = 0 }
    try refused("fee ladder") { $0.feeLadderSatPerKvB = [] }
    try refused("fee ladder") { $0.feeLadderSatPerKvB = [99] }
    try refused("fee ladder") { $0.feeLadderSatPerKvB = [5000, 5000] }
  }

  @Test func offerMustBeTheAnnouncedOne() throws {
    let fixture = try Fixture()
    let identity = Network.regtest.identity
    let announcement = fixture.announcement
    try fixture.offer.check(announced: announcement, network: identity)
    var other = fixture.offer
    other.holdMs += 1
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
    offer.title = Array("a\"b\\c\u{e9}".utf8)
    let parsed = try #require(
      try JSONSerialization.jsonObject(with: Data(offer.json.utf8)) as? [String: Any])
    #expect(parsed["title"] as? String == "a\"b\\c\u{e9}")
    #expect((parsed["share"] as? [String: Any])?["memory_mib"] as? Int == 64)
    // Nothing that a stranger wrote reaches a terminal as a command.
    for line in offer.lines { #expect(!line.utf8.contains { $0 < 0x20 }) }
  }
}
