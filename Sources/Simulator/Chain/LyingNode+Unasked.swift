import Bitcoin
import Bytes

/// Lies about transactions, and floods.
extension LyingNode {
  /// Limits the fakes: each answer to one would lead to the next.
  private static let mostFakes = 40
  private static let mostHugeMessages = 4
  private static let hugeBytes = 900_000

  /// A payment to a watched script that will never be in a block.
  func fakePayment() -> Transaction {
    let script = bait.isEmpty ? [0x51] : bait[Int(random.below(UInt64(bait.count)))]
    return Transaction(
      inputs: [
        TransactionInput(
          previous: OutPoint(txid: Bytes32(random.bytes(32)), index: 0),
          witness: [random.bytes(64)])
      ],
      outputs: [TransactionOutput(amountSat: 1 + random.below(1_000_000), scriptPubKey: script)])
  }

  func tellOfPayment(_ network: SimulatedNetwork) {
    if fakes >= LyingNode.mostFakes { return }
    fakes += 1
    accept(fakePayment(), network)
  }

  /// Later bytes on the connection become part of this message.
  func beginHugeMessage(_ link: SimulatedNetwork.LinkId, _ network: SimulatedNetwork) {
    if hugeMessages >= LyingNode.mostHugeMessages { return }
    hugeMessages += 1
    var writer = ByteWriter(reserving: LyingNode.hugeBytes + 24)
    writer.append(tree.network.magic)
    writer.append(Array("junk".utf8) + [UInt8](repeating: 0, count: 8))
    writer.u32le(UInt32(LyingNode.hugeBytes))
    writer.append([UInt8](repeating: 0, count: 4 + LyingNode.hugeBytes - 40_000))
    network.send(writer.bytes, over: link, from: id)
  }
}
