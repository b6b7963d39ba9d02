import Bitcoin
import Bytes
import Foundation
import TestSupport
import Testing

/// What four megabytes from a peer may take in memory: the agent runs on machines with 48 MB.
@Suite(.serialized)
struct HostileSizeTests {
  /// Resident bytes of this process.
  private func residentBytes() throws -> Int {
    let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
    return try #require(Int(text.split(separator: " ")[1])) * 4096
  }

  private func block(_ transaction: Transaction) -> [UInt8] {
    MessageFrame.encode(
      .block(Block(header: Network.regtest.genesis, transactions: [transaction])),
      magic: Network.regtest.magic)
  }

  /// By how much memory grows while a block is held: the least of some tries, as other tests run
  /// in this process too.
  private func growth(_ frame: [UInt8]) throws -> Int {
    try (0..<8).map { _ in try growthOnce(frame) }.min() ?? 0
  }

  private func growthOnce(_ frame: [UInt8]) throws -> Int {
    let before = try residentBytes()
    var framer = MessageFramer(magic: Network.regtest.magic)
    framer.append(frame)
    let message = try framer.next()
    let after = try residentBytes()
    #expect(message != nil)
    return after - before
  }

  @Test func millionsOfTinyWitnessItems() throws {
    let items = [[UInt8]](repeating: [1], count: 1_990_000)
    let frame = block(
      Transaction(
        inputs: [TransactionInput(previous: .coinbase, witness: items)],
        outputs: [TransactionOutput(amountSat: 1, scriptPubKey: [0x51])]))
    #expect(frame.count > 3_900_000)
    // The frame in the framer, its payload, the witness: and not a hundred megabytes.
    #expect(try growth(frame) < 24_000_000)
  }

  @Test func asManyOutputsAsFit() throws {
    let output = TransactionOutput(amountSat: 1, scriptPubKey: [0x51])
    let frame = block(
      Transaction(
        inputs: [TransactionInput(previous: .coinbase)],
        outputs: [TransactionOutput](repeating: output, count: 99_900)))
    #expect(try growth(frame) < 24_000_000)
  }

  @Test func theFramerGivesBackALargeBuffer() throws {
    var framer = MessageFramer(magic: Network.regtest.magic)
    let large = MessageFrame.encode(
      .filter(FilterMessage(blockHash: .zero, filter: [UInt8](repeating: 1, count: 3_000_000))),
      magic: Network.regtest.magic)
    for _ in 0..<3 {
      framer.append(large)
      framer.append(MessageFrame.encode(.ping(1), magic: Network.regtest.magic))
      #expect(try framer.next() != nil)
      #expect(try framer.next() == .ping(1))
      #expect(framer.bufferedBytes == 0)
    }
  }
}
