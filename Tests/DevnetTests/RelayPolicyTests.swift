import Bitcoin
import Bytes
import Crypto
import Testing

@testable import Devnet

/// Relay rules that consensus does not have. Where it matters the kernel is asked too, and agrees
/// that consensus would allow what policy refuses.
@Suite struct RelayPolicyTests {
  private let secret = Sha256.hash([1])
  private let policy = RelayPolicy()

  private func transaction(
    witness: [[UInt8]] = [], scriptSig: [UInt8] = [], output: [UInt8]? = nil, version: UInt32 = 2
  ) -> Transaction {
    Transaction(
      version: version,
      inputs: [
        TransactionInput(
          previous: OutPoint(txid: Bytes32([UInt8](repeating: 5, count: 32)), index: 0),
          scriptSig: scriptSig, witness: witness)
      ],
      outputs: [
        TransactionOutput(
          amountSat: 100_000, scriptPubKey: output ?? Script.p2wsh(witnessScript: [0x51]))
      ])
  }

  private func fault(_ transaction: Transaction, _ spent: [UInt8]) -> String? {
    do throws(TransactionRejection) {
      try policy.check(transaction)
      try policy.checkInputs(
        transaction, spent: [TransactionOutput(amountSat: 200_000, scriptPubKey: spent)])
      return nil
    } catch {
      return error.message
    }
  }

  private func kernelAllows(_ transaction: Transaction, _ spent: [UInt8]) -> Bool {
    KernelScript.verify(
      scriptPubKey: spent, amountSat: 200_000, tx: transaction.bytes(), inputIndex: 0)
  }

  @Test func theArgumentOfIfIsMinimal() {
    // IF 1 ELSE 1 ENDIF
    let script: [UInt8] = [0x63, 0x51, 0x67, 0x51, 0x68]
    let spent = Script.p2wsh(witnessScript: script)
    for argument in [[], [1]] as [[UInt8]] {
      #expect(fault(transaction(witness: [argument, script]), spent) == nil)
    }
    for argument in [[2], [0], [1, 0], [1, 1]] as [[UInt8]] {
      let bad = transaction(witness: [argument, script])
      #expect(kernelAllows(bad, spent))
      #expect(fault(bad, spent)?.contains("argument of IF") == true)
    }
  }

  @Test func signaturesHaveLowS() throws {
    let script = Script.push(try Secp256k1.publicKey(of: secret)) + [Script.OpCode.checkSig]
    let spent = Script.p2wsh(witnessScript: script)
    var good = transaction()
    let digest = Sighash.segwitV0(good, inputIndex: 0, scriptCode: script, amountSat: 200_000)
    let signature = try Secp256k1.signEcdsa(digest: digest, secret: secret)
    good.inputs[0].witness = [signature + [1], script]
    #expect(kernelAllows(good, spent))
    #expect(fault(good, spent) == nil)
    var high = good
    high.inputs[0].witness[0] = try #require(highS(signature)) + [1]
    #expect(kernelAllows(high, spent))
    #expect(fault(high, spent)?.contains("high S") == true)
    var tampered = good
    tampered.outputs[0].amountSat -= 1
    #expect(!kernelAllows(tampered, spent))
  }

  /// The same signature with the order of the curve minus s.
  private func highS(_ der: [UInt8]) -> [UInt8]? {
    let rEnd = 4 + Int(der[3])
    let low = Array(der[(rEnd + 2)...])
    let order = Hex.decode("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
    guard let order else { return nil }
    let padded = [UInt8](repeating: 0, count: 32 - low.count) + low
    var result = [UInt8](repeating: 0, count: 32)
    var borrow = 0
    for index in (0..<32).reversed() {
      let difference = Int(order[index]) - Int(padded[index]) - borrow
      borrow = difference < 0 ? 1 : 0
      result[index] = UInt8(difference + borrow * 256)
    }
    let scalar = [0x00] + result
    let body = Array(der[2..<rEnd]) + [0x02, UInt8(scalar.count)] + scalar
    return [0x30, UInt8(body.count)] + body
  }

  @Test func witnessesAreSmall() {
    // 2DROP … 1
    func dropping(_ count: Int) -> [UInt8] { [UInt8](repeating: 0x75, count: count) + [0x51] }
    func check(_ items: [[UInt8]], _ script: [UInt8]) -> String? {
      fault(transaction(witness: items + [script]), Script.p2wsh(witnessScript: script))
    }
    #expect(check([[UInt8](repeating: 7, count: 80)], dropping(1)) == nil)
    #expect(check([[UInt8](repeating: 7, count: 81)], dropping(1))?.contains("80 bytes") == true)
    #expect(check([[UInt8]](repeating: [1], count: 100), dropping(100)) == nil)
    #expect(
      check([[UInt8]](repeating: [1], count: 101), dropping(101))?.contains("100 witness") == true)
    let long = [UInt8](repeating: 0x61, count: 3599) + [0x51]
    #expect(check([], long) == nil)
    #expect(check([], [0x61] + long)?.contains("3600") == true)
    #expect(check([], [0x01, 0x05, 0x75, 0x51])?.contains("minimal") == true)
    #expect(check([], [0x4c])?.contains("truncated") == true)
  }

  @Test func outputsAreOfKnownKinds() {
    let spent = Script.p2wsh(witnessScript: [0x51])
    func check(_ output: [UInt8]) -> String? {
      var transaction = transaction(witness: [[0x51]], output: output)
      transaction.outputs.append(TransactionOutput(amountSat: 1000, scriptPubKey: spent))
      return fault(transaction, spent)
    }
    let key = [UInt8](repeating: 2, count: 33)
    let known: [[UInt8]] = [
      Script.p2wsh(witnessScript: []), Script.opReturn([UInt8](repeating: 1, count: 220)),
      [0x00, 0x14] + [UInt8](repeating: 1, count: 20), [0x51, 0x02, 0x4e, 0x73],
      [0x52, 0x20] + [UInt8](repeating: 1, count: 32), [33] + key + [0xac],
      [0x51, 33] + key + [33] + key + [0x52, 0xae],
    ]
    for script in known { #expect(check(script) == nil) }
    let unknown: [[UInt8]] = [
      [], [0x51], [0x00, 0x15] + [UInt8](repeating: 1, count: 21), [0x6a, 0xac],
      [0x53, 33] + key + [33] + key + [0x52, 0xae], [0x63, 0x51, 0x68],
    ]
    for script in unknown { #expect(check(script)?.contains("known kind") == true) }
    #expect(check(Script.opReturn([UInt8](repeating: 1, count: 90_000))) == nil)
    #expect(check(Script.opReturn([UInt8](repeating: 1, count: 100_000))) != nil)
  }

  @Test func inputsAreOfKnownKinds() {
    func check(_ spent: [UInt8], witness: [[UInt8]] = [], scriptSig: [UInt8] = []) -> String? {
      fault(transaction(witness: witness, scriptSig: scriptSig), spent)
    }
    #expect(check([0x51, 0x02, 0x4e, 0x73]) == nil)
    #expect(check([0x51, 0x02, 0x4e, 0x73], witness: [[1]]) != nil)
    #expect(check([0x52, 0x20] + [UInt8](repeating: 1, count: 32)) != nil)
    #expect(check([0x51]) != nil)
    let taproot = Script.p2tr(outputKey: Bytes32([UInt8](repeating: 2, count: 32)))
    #expect(check(taproot, witness: [[UInt8](repeating: 1, count: 64)]) == nil)
    #expect(check(taproot, witness: [[UInt8](repeating: 1, count: 64), [0x50, 1]]) != nil)
    #expect(check(taproot, witness: [[1], [0x51], [0xc0]]) == nil)
    let big = [UInt8](repeating: 1, count: 81)
    #expect(check(taproot, witness: [big, [0x51], [0xc0]]) != nil)
    let bare: [UInt8] = [0x76, 0xa9, 0x14] + [UInt8](repeating: 1, count: 20) + [0x88, 0xac]
    #expect(check(bare, scriptSig: [0x02, 1, 2]) == nil)
    #expect(check(bare, scriptSig: [0xac])?.contains("pushonly") == true)
    #expect(check(bare, scriptSig: [UInt8](repeating: 0x51, count: 1651))?.contains("size") == true)
  }

  @Test func shapes() {
    let spent = Script.p2wsh(witnessScript: [0x51])
    #expect(fault(transaction(witness: [[0x51]], version: 3), spent) == nil)
    #expect(fault(transaction(witness: [[0x51]], version: 4), spent)?.contains("version") == true)
    var twice = transaction(witness: [[0x51]])
    twice.inputs.append(twice.inputs[0])
    #expect(fault(twice, spent)?.contains("duplicate") == true)
    var empty = transaction(witness: [[0x51]])
    empty.outputs = []
    #expect(fault(empty, spent)?.contains("no outputs") == true)
    var coinbase = transaction(witness: [[0x51]])
    coinbase.inputs[0].previous = .coinbase
    #expect(fault(coinbase, spent)?.contains("coinbase") == true)
    var small = transaction(witness: [[0x51]], output: [0x6a])
    small.outputs[0].amountSat = 0
    #expect(fault(small, spent)?.contains("too small") != true)
    #expect(fault(small, spent)?.contains("tx-size-small") == true)
  }

  @Test func halvesTheSubsidy() {
    let coin = Amount.satPerCoin
    #expect(BlockMaker.subsidySat(height: 149) == 50 * coin)
    #expect(BlockMaker.subsidySat(height: 150) == 25 * coin)
    #expect(BlockMaker.subsidySat(height: 300) == 25 * coin / 2)
    #expect(BlockMaker.subsidySat(height: 150 * 64) == 0)
  }
}
