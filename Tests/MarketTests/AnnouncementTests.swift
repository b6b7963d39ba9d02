import Bitcoin
import Bytes
import Crypto
import Devnet
import Foundation
import Market
import TestSupport
import Testing

struct AnnouncementTests {
  private func transaction(_ outputs: [TransactionOutput]) -> Transaction {
    Transaction(
      inputs: [TransactionInput(previous: OutPoint(txid: .zero, index: 1))], outputs: outputs)
  }

  @Test func canonical() throws {
    var announcement = try Fixture().announcement
    try expectCanonical(announcement, { $0.encode() }, Announcement.decode)
    announcement.extras = [
      .init(type: 7, value: [1, 2, 3]), .init(type: 19, value: []),
    ]
    try expectCanonical(announcement, { $0.encode() }, Announcement.decode)
    announcement.endpoint = Endpoint(host: [UInt8](repeating: 0x61, count: 64), port: 65_535)!
    #expect(announcement.encode().count <= 220)
    try expectCanonical(announcement, { $0.encode() }, Announcement.decode)
  }

  @Test func unknownFieldsAreSkippedOrRefused() throws {
    let announcement = try Fixture().announcement
    let odd = try Announcement.decode(announcement.encode() + [99, 2, 5, 5])
    #expect(odd.extras == [.init(type: 99, value: [5, 5])])
    let even = announcement.encode() + [98, 2, 5, 5]
    #expect(
      refusal { _ = try Announcement.decode(even) }
        == .refused(
          field: "field type", offset: even.count - 4, problem: "unknown, and not optional"))
    let twice = announcement.encode() + [99, 0, 99, 0]
    #expect(
      refusal { _ = try Announcement.decode(twice) }
        == .refused(
          field: "field type", offset: twice.count - 2, problem: "the fields do not ascend"))
    let long = announcement.encode() + [99, 96] + [UInt8](repeating: 0, count: 96)
    #expect(
      refusal { _ = try Announcement.decode(long) }
        == .refused(field: "announcement", offset: 220, problem: "longer than 220 bytes"))
  }

  @Test func absurdNumbersAreRefused() throws {
    func refused(_ change: (inout Announcement) -> Void) throws -> String {
      var announcement = try Fixture().announcement
      change(&announcement)
      return refusal { _ = try Announcement.decode(announcement.encode()) }?.message ?? ""
    }
    #expect(try refused { $0.workers = 0 } == "workers: byte 52: too small")
    #expect(try refused { $0.processors = [] } == "processors: byte 56: too small")
    #expect(try refused { $0.ramMiB = 0 } == "RAM: byte 60: too small")
    #expect(try refused { $0.ramMiB = .max } == "RAM: byte 60: too large")
    #expect(try refused { $0.priceCeilingSatPerHour = 0 } == "price ceiling: byte 69: too small")
    #expect(
      try refused { $0.priceCeilingSatPerHour = 2_100_000_000_000_001 }
        == "price ceiling: byte 69: too large")
    #expect(try refused { $0.payoutIntervalMs = 99 } == "payout interval: byte 79: too small")
    #expect(
      try refused { $0.payoutIntervalMs = 3_600_001 } == "payout interval: byte 79: too large")
    #expect(try refused { $0.expiryHeight = 500_000_000 } == "expiry height: byte 85: too large")
  }

  @Test func expiryDependsOnTheTip() throws {
    let announcement = try Fixture().announcement
    try announcement.check(atHeight: 199)
    #expect(
      refusal { try announcement.check(atHeight: 200) }
        == .unacceptable(field: "expiry height", problem: "the announcement is over"))
    var far = announcement
    far.expiryHeight = 52_660
    try far.check(atHeight: 100)
    far.expiryHeight += 1
    #expect(
      refusal { try far.check(atHeight: 100) }
        == .unacceptable(field: "expiry height", problem: "more than a year ahead"))
  }

  @Test func isFoundInItsTransaction() throws {
    let announcement = try Fixture().announcement
    let change = TransactionOutput(
      amountSat: 9000, scriptPubKey: Script.p2tr(outputKey: Sha256.hash([1])))
    let outputs = announcement.outputs
    #expect(Announcement.find(in: transaction(outputs)) == announcement)
    #expect(Announcement.find(in: transaction([change] + outputs)) == announcement)
    #expect(Announcement.find(in: transaction([outputs[1], change, outputs[0]])) == announcement)
    // No beacon, a beacon of dust, no document, two documents.
    #expect(Announcement.find(in: transaction([outputs[0], change])) == nil)
    var poor = outputs
    poor[1].amountSat = 329
    #expect(Announcement.find(in: transaction(poor)) == nil)
    #expect(Announcement.find(in: transaction([outputs[1], change])) == nil)
    #expect(Announcement.find(in: transaction(outputs + [outputs[0]])) == nil)
    // Other people's OP_RETURN does no harm.
    let noise = TransactionOutput(amountSat: 0, scriptPubKey: Script.opReturn([1, 2, 3]))
    #expect(Announcement.find(in: transaction([noise] + outputs)) == announcement)
    for count in 0..<outputs[0].scriptPubKey.count {
      var cut = outputs
      cut[0].scriptPubKey = Array(outputs[0].scriptPubKey[..<count])
      #expect(Announcement.find(in: transaction(cut)) == nil)
    }
  }

  @Test func anybodyMaySweepTheBeacon() throws {
    var sweep = transaction([
      TransactionOutput(amountSat: 100, scriptPubKey: Script.p2tr(outputKey: Sha256.hash([1])))
    ])
    sweep.inputs[0].witness = [Beacon.script]
    func accepted() -> Bool {
      KernelScript.verify(
        scriptPubKey: Beacon.scriptPubKey, amountSat: 330, tx: sweep.bytes(), inputIndex: 0)
    }
    #expect(accepted())
    sweep.inputs[0].witness = [Beacon.script + [0x51]]
    #expect(!accepted())
  }

  @Test func endpointTexts() {
    for text in ["192.0.2.1:80", "[2001:db8::1]:4500", "work.example.org:65535", "localhost:1"] {
      #expect(Endpoint(text: text)?.text == text)
    }
    for text in [
      "", ":80", "host", "host:", "host:0", "host:65536", "host:99999999999999999999", "host:8x",
      "2001:db8::1:80", "[host]:80", "[]:80", "Host:80", "ho st:80", "-h:80", "h-:80", ".h:80",
      "h\u{0}:80", "[2001:db8::g]:1", "host:080", "[::1:80",
      String(repeating: "a", count: 65) + ":1",
    ] { #expect(Endpoint(text: text) == nil, "\(text)") }
  }

  @Test func jsonIsJson() throws {
    let announcement = try Fixture().announcement
    let parsed = try #require(
      try JSONSerialization.jsonObject(with: Data(announcement.json.utf8)) as? [String: Any])
    #expect(parsed["endpoint"] as? String == "192.0.2.7:4500")
    #expect(parsed["workers"] as? Int == 2)
    #expect(parsed["processors"] as? [String] == ["x86_64", "i686"])
    #expect(parsed["offer_digest"] as? String == announcement.offerDigest.hex)
    #expect(announcement.lines.count == 10)
  }
}
