import Bitcoin
import Bytes
import Crypto
import Devnet
import Foundation
import TestSupport
import Testing

@Suite(.enabled(if: Vectors.areHere, skipNote))
struct SighashTests {
  @Test func legacyVectors() throws {
    let rows = try vectorRows("src/test/data/sighash.json")
    #expect(rows.count == 500)
    for row in rows {
      let transaction = try Transaction.decode(try bytes(row[0]))
      let hashType = try #require(row[3] as? NSNumber).int32Value
      let digest = Sighash.legacy(
        transaction, inputIndex: try #require(row[2] as? Int), scriptCode: try bytes(row[1]),
        hashType: UInt32(bitPattern: hashType))
      #expect(digest == (try shownHash(row[4])))
    }
  }

  /// BIP341's wallet vectors: digests of the key path, and the signatures over them.
  @Test func taprootKeyPathVectors() throws {
    let file = try #require(
      try Vectors.json("src/test/data/bip341_wallet_vectors.json") as? [String: Any])
    let cases = try #require(file["keyPathSpending"] as? [[String: Any]])
    var count = 0
    for one in cases {
      let given = try #require(one["given"] as? [String: Any])
      let transaction = try Transaction.decode(try bytes(given["rawUnsignedTx"]))
      let spent = try #require(given["utxosSpent"] as? [[String: Any]]).map { output in
        TransactionOutput(
          amountSat: try #require(output["amountSats"] as? NSNumber).uint64Value,
          scriptPubKey: try bytes(output["scriptPubKey"]))
      }
      for spending in try #require(one["inputSpending"] as? [[String: Any]]) {
        try check(spending, transaction, spent)
        count += 1
      }
    }
    #expect(count == 7)
  }

  private func check(
    _ spending: [String: Any], _ transaction: Transaction, _ spent: [TransactionOutput]
  ) throws {
    let given = try #require(spending["given"] as? [String: Any])
    let middle = try #require(spending["intermediary"] as? [String: Any])
    let expected = try #require(spending["expected"] as? [String: Any])
    let index = try #require(given["txinIndex"] as? Int)
    let hashType = UInt8(try #require(given["hashType"] as? Int))
    let digest = Sighash.taprootKeyPath(
      transaction, inputIndex: index, spentOutputs: spent, hashType: hashType)
    #expect(digest.array == (try bytes(middle["sigHash"])))
    let internalKey = Bytes32(try bytes(middle["internalPubkey"]))
    let root: [UInt8] = given["merkleRoot"] is NSNull ? [] : try bytes(given["merkleRoot"])
    let tweak = Sha256.tagged("TapTweak", internalKey.array + root)
    #expect(tweak.array == (try bytes(middle["tweak"])))
    let secret = try Secp256k1.tweakXOnlySecret(
      Bytes32(try bytes(given["internalPrivkey"])), by: tweak)
    #expect(secret.array == (try bytes(middle["tweakedPrivkey"])))
    // The vectors sign without auxiliary randomness.
    var signature = try Secp256k1.signSchnorr(digest: digest, secret: secret, auxiliary: .zero)
    if hashType != Sighash.HashType.default { signature.append(hashType) }
    let witness = try #require(expected["witness"] as? [String])
    #expect(Hex.encode(signature) == witness[0])
  }

  /// Signatures over our BIP143 digests, judged by libbitcoinkernel, for every hash type.
  @Test(arguments: [1, 2, 3, 0x81, 0x82, 0x83] as [UInt8])
  func segwitDigestsAreTheKernels(hashType: UInt8) throws {
    var random = SeededGenerator(seed: 143)
    let secret = random.bytes32()
    let key = try Secp256k1.publicKey(of: secret)
    let script = Script.push(key) + [Script.OpCode.checkSig]
    let outputs = (0..<3).map { index in
      TransactionOutput(
        amountSat: 1000 + UInt64(index), scriptPubKey: Script.p2wsh(witnessScript: script))
    }
    var transaction = Transaction(
      inputs: outputs.indices.map { index in
        TransactionInput(
          previous: OutPoint(txid: random.bytes32(), index: UInt32(index)),
          sequence: UInt32(index) + 5)
      },
      // Two outputs for three inputs: the third has none of its index.
      outputs: outputs.dropLast(), lockTime: 77)
    for index in outputs.indices {
      let digest = Sighash.segwitV0(
        transaction, inputIndex: index, scriptCode: script, amountSat: outputs[index].amountSat,
        hashType: hashType)
      let der = try Secp256k1.signEcdsa(digest: digest, secret: secret)
      transaction.inputs[index].witness = [der + [hashType], script]
    }
    let spent = outputs.map {
      SpentOutput(amountSat: $0.amountSat, scriptPubKey: $0.scriptPubKey)
    }
    #expect(KernelScript.verifyAll(tx: transaction.bytes(), spentOutputs: spent))
    var tampered = transaction
    tampered.lockTime += 1
    #expect(!KernelScript.verifyAll(tx: tampered.bytes(), spentOutputs: spent))
  }
}
