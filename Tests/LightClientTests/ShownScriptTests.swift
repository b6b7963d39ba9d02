import Bitcoin
import Bytes
import Testing

@testable import LightClient

/// What an input's witness shows of the output that it spends.
@Suite struct ShownScriptTests {
  private func shown(_ witness: [[UInt8]], scriptSig: [UInt8] = []) -> [UInt8]? {
    TransactionInput(
      previous: OutPoint(txid: .zero, index: 0), scriptSig: scriptSig, witness: witness
    ).shownScript
  }

  private func bytes(_ first: UInt8, _ count: Int) -> [UInt8] {
    [first] + [UInt8](repeating: 7, count: count - 1)
  }

  @Test func aWitnessScriptIsShown() {
    let script: [UInt8] = [0x63, 0x51, 0x68]
    #expect(shown([bytes(0x30, 71), [1], script]) == Script.p2wsh(witnessScript: script))
    #expect(shown([script]) == Script.p2wsh(witnessScript: script))
    // As long as a public key or a control block, and neither.
    for count in [33, 65] {
      let long = bytes(0x51, count)
      #expect(shown([[1], long]) == Script.p2wsh(witnessScript: long))
    }
  }

  @Test func othersShowNothing() {
    // P2WPKH; taproot by key, with and without a type of hash; by script; nothing at all.
    #expect(shown([bytes(0x30, 71), bytes(2, 33)]) == nil)
    #expect(shown([bytes(0x30, 71), bytes(3, 33)]) == nil)
    #expect(shown([bytes(9, 64)]) == nil)
    #expect(shown([bytes(9, 65)]) == nil)
    for depth in 0...3 {
      #expect(shown([[1], [0x51], bytes(0xc1, 33 + 32 * depth)]) == nil)
    }
    #expect(shown([]) == nil)
    #expect(shown([[]]) == nil)
    #expect(shown([[1], [UInt8](repeating: 0x51, count: Script.maxBytes + 1)]) == nil)
    #expect(shown([[1], [0x51]], scriptSig: [0x51]) == nil)
  }

  /// Whoever makes the transaction does not choose how much is watched for it.
  @Test func noMoreThanSixteenAreWatched() {
    let inputs = (0..<100).map { index in
      TransactionInput(
        previous: OutPoint(txid: .zero, index: UInt32(index)),
        witness: [[0x51, UInt8(index / 2)]])
    }
    let transaction = Transaction(
      inputs: inputs,
      outputs: [
        TransactionOutput(amountSat: 0, scriptPubKey: Script.opReturn([1])),
        TransactionOutput(amountSat: 0, scriptPubKey: []),
        TransactionOutput(amountSat: 1, scriptPubKey: [0x52]),
      ])
    #expect(transaction.shownScripts.count == 16)
    #expect(
      transaction.shownScripts == (0..<16).map { Script.p2wsh(witnessScript: [0x51, UInt8($0)]) })
    #expect(transaction.firstPaidScript == [0x52])
  }
}
