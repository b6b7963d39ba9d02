import Bytes
import Devnet
import Foundation
import TestSupport
import Testing

/// Real transactions, good and spoiled, from the tests of py-bitcoinkernel.
private struct ScriptVector {
  var scriptPubKey: [UInt8]
  var amountSat: UInt64
  var tx: [UInt8]
  var good: Bool
}

private enum ScriptVectors {
  static var path: String { Vectors.root + "/test/test_script.py" }
  static var present: Bool { FileManager.default.fileExists(atPath: path) }

  static func load() throws -> [ScriptVector] {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let call = /(not )?_test_verify_script\(\s*"([0-9a-f]+)",\s*(\d+),\s*"([0-9a-f]+)",\s*0,\s*\)/
    return text.matches(of: call).compactMap { match in
      guard let script = Hex.decode(String(match.2)), let amount = UInt64(match.3),
        let tx = Hex.decode(String(match.4))
      else { return nil }
      return ScriptVector(
        scriptPubKey: script, amountSat: amount, tx: tx, good: match.1 == nil)
    }
  }
}

/// Needs scripts/setup: without its vectors this suite is skipped, and says so.
@Suite(.enabled(if: ScriptVectors.present, "vectors missing: run scripts/setup"))
struct KernelScriptTests {
  private let withoutTaproot = KernelScriptFlags.all.subtracting(.taproot)

  @Test func judgesRealTransactions() throws {
    let vectors = try ScriptVectors.load()
    #expect(vectors.count == 6)
    #expect(vectors.filter(\.good).count == 3)
    for vector in vectors {
      for flags in [KernelScriptFlags.all, withoutTaproot] {
        let answer = KernelScript.verify(
          scriptPubKey: vector.scriptPubKey, amountSat: vector.amountSat, tx: vector.tx,
          inputIndex: 0, flags: flags)
        #expect(answer == vector.good)
      }
    }
  }

  @Test func refusesWhatTheKernelWouldAbortOn() throws {
    let vector = try #require(try ScriptVectors.load().first)
    func verify(
      tx: [UInt8]? = nil, index: Int = 0, amount: UInt64 = 0, spent: [SpentOutput] = [],
      flags: KernelScriptFlags = .all
    ) -> Bool {
      KernelScript.verify(
        scriptPubKey: vector.scriptPubKey, amountSat: amount, tx: tx ?? vector.tx,
        inputIndex: index, spentOutputs: spent, flags: flags)
    }
    let output = SpentOutput(amountSat: 0, scriptPubKey: vector.scriptPubKey)
    #expect(verify(spent: [output]))
    #expect(!verify(index: 1))
    #expect(!verify(index: -1))
    #expect(!verify(tx: []))
    #expect(!verify(tx: Array(vector.tx.dropLast())))
    #expect(!verify(amount: .max))
    #expect(!verify(spent: [output, output]))
    #expect(!verify(spent: [SpentOutput(amountSat: .max, scriptPubKey: [])]))
    #expect(!verify(flags: [.all, KernelScriptFlags(rawValue: 1 << 30)]))
    // Witness rules without P2SH make no sense to the interpreter.
    #expect(!verify(flags: [.witness]))
  }

  @Test func verifiesEveryInput() throws {
    let vector = try #require(try ScriptVectors.load().first)
    let output = SpentOutput(amountSat: vector.amountSat, scriptPubKey: vector.scriptPubKey)
    #expect(KernelScript.verifyAll(tx: vector.tx, spentOutputs: [output]))
    #expect(!KernelScript.verifyAll(tx: vector.tx, spentOutputs: []))
    #expect(!KernelScript.verifyAll(tx: vector.tx, spentOutputs: [output, output]))
  }
}
