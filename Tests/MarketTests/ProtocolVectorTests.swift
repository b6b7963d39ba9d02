import Bitcoin
import Bytes
import Capability
import Channel
import Crypto
import Foundation
import Market
import Testing

/// Tests/Vectors holds what the code makes (scripts/vectors writes it), and the code reads what is there.
struct ProtocolVectorTests {
  private static let isWriting = ProcessInfo.processInfo.environment["ZENNET_WRITE_VECTORS"] != nil

  private static func file(_ name: String) -> URL {
    ProtocolVectors.folder.appendingPathComponent(name + ".json")
  }

  private func read(_ name: String) throws -> Any {
    try JSONSerialization.jsonObject(with: Data(contentsOf: ProtocolVectorTests.file(name)))
  }

  private func bytes(_ value: Any?) throws -> [UInt8] {
    let text = try #require(value as? String)
    return try #require(Hex.decode(text))
  }

  @Test func filesAreWhatTheCodeMakes() throws {
    for file in try ProtocolVectors().files() {
      let text = file.json.text() + "\n"
      let place = ProtocolVectorTests.file(file.name)
      if ProtocolVectorTests.isWriting { try Data(text.utf8).write(to: place) }
      #expect(try String(contentsOf: place, encoding: .utf8) == text, "\(file.name)")
    }
  }

  @Test func messagesAreRead() throws {
    let vectors = try #require(try read("messages") as? [[String: Any]])
    var types = Set<UInt8>()
    for vector in vectors {
      let bytes = try bytes(vector["message"])
      types.insert(bytes[0])
      #expect(try SessionMessage.decode(bytes).encode() == bytes)
    }
    #expect(types.count == 35)
  }

  @Test func announcementsAreRead() throws {
    let vectors = try #require(try read("announcements") as? [String: [[String: Any]]])
    for vector in try #require(vectors["valid"]) {
      let bytes = try bytes(vector["document"])
      let announcement = try Announcement.decode(bytes)
      #expect(announcement.encode() == bytes)
      #expect(announcement.digest.hex == vector["digest"] as? String)
    }
    for vector in try #require(vectors["refused"]) {
      let bytes = try bytes(vector["document"])
      #expect(throws: MarketError.self) { try Announcement.decode(bytes) }
    }
  }

  @Test func documentsAreRead() throws {
    let vectors = try #require(try read("documents") as? [String: Any])
    for vector in try #require(vectors["documents"] as? [[String: Any]]) {
      let kind = try #require(vector["kind"] as? String)
      let bytes = try bytes(vector["document"])
      switch kind {
      case "offer": try check(Offer.decode(bytes), bytes, vector)
      case "bid": try check(Bid.decode(bytes), bytes, vector)
      case "contract": try check(Contract.decode(bytes), bytes, vector)
      case "top-up": try check(TopUp.decode(bytes), bytes, vector)
      case "statement": try check(Statement.decode(bytes), bytes, vector)
      default: Issue.record("a document of kind \(kind)")
      }
    }
  }

  private func check<Body: SignedBody>(
    _ body: Body, _ bytes: [UInt8], _ vector: [String: Any]
  ) throws {
    #expect(body.encode() == bytes)
    #expect(body.digest.hex == vector["digest"] as? String)
    if let signature = vector["publisher_signature"] {
      try body.verify(try self.bytes(signature), by: Fixture.publisher.publicKey)
    }
    if let signature = vector["provider_signature"] {
      try body.verify(try self.bytes(signature), by: Fixture.provider.publicKey)
    }
  }

  @Test func channelsAndReportsAreRead() throws {
    let channel = try #require(try read("channels") as? [String: Any])
    let terms = try ChannelTerms.decode(try bytes(channel["terms"]))
    let funding = try Transaction.decode(try bytes(channel["funding"]))
    let outPoint = OutPoint(txid: funding.txid, index: 1)
    for vector in try #require(channel["closes"] as? [[String: Any]]) {
      let close = ClosingTransaction.build(
        terms, funding: outPoint, amountSat: try #require(vector["amount_sat"] as? UInt64),
        rung: try #require(vector["rung"] as? Int))
      #expect(try close?.bytes() == bytes(vector["close"]))
    }
    let paid = try #require(channel["payment"] as? [String: Any])
    try ChannelPayment.decode(try bytes(paid["payment"])).verify(terms, funding: outPoint)
    for vector in try #require(try read("reports") as? [[String: Any]]) {
      try CapabilityReport.decode(try bytes(vector["report"])).verify()
    }
  }

  // MARK: What the static agent tests itself with

  /// `Market/MessageVectors.swift` has no Foundation, and so no JSON: it is made from the same messages.
  @Test func selfTestHasTheSameMessages() throws {
    let source = try MessageVectorsSource.text(Fixture().messages().map { $0.encode() })
    if ProtocolVectorTests.isWriting {
      try Data(source.utf8).write(to: MessageVectorsSource.place)
    }
    #expect(try String(contentsOf: MessageVectorsSource.place, encoding: .utf8) == source)
  }
}

/// Writes the Swift table that the self-test of both compilers reads.
enum MessageVectorsSource {
  static let place = ProtocolVectors.folder.deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Sources/Market/MessageVectors.swift")

  static func text(_ messages: [[UInt8]]) -> String {
    var text = """
      // Written by scripts/vectors from Tests/Vectors/messages.json's messages: do not edit.

      /// Session messages in hexadecimal, one of each kind at least.
      enum MessageVectors {
        static let all: [StaticString] = [

      """
    for message in messages {
      let digits = Array(Hex.encode(message))
      var lines: [String] = []
      for start in stride(from: 0, to: digits.count, by: 84) {
        lines.append("    " + String(digits[start..<min(start + 84, digits.count)]))
      }
      text += "    \"\"\"\n" + lines.joined(separator: "\\\n") + "\n    \"\"\",\n"
    }
    return text + "  ]\n}\n"
  }
}
