import Bitcoin
import Bytes
import TestSupport
import Testing

/// Bitcoin Core's transactions, valid and invalid: what decodes must encode to the same bytes.
@Suite(.enabled(if: Vectors.areHere, skipNote))
struct TransactionVectorTests {
  @Test(arguments: [("tx_valid", 121), ("tx_invalid", 93)])
  func roundTrips(name: String, count: Int) throws {
    let rows = try vectorRows("src/test/data/\(name).json")
    #expect(rows.count == count)
    var decoded = 0
    for row in rows {
      let raw = try bytes(row[1])
      // A transaction without inputs is written like a witness marker, and is none.
      guard let transaction = try? Transaction.decode(raw) else {
        #expect(raw[4] == 0)
        continue
      }
      decoded += 1
      #expect(transaction.bytes() == raw)
      let spent = try #require(row[0] as? [[Any]])
      #expect(transaction.inputs.count == spent.count || name == "tx_invalid")
    }
    #expect(decoded >= count - 1)
  }

  @Test func idsOfKnownTransactions() throws {
    let rows = try vectorRows("src/test/data/tx_valid.json")
    // The file's own comment names the first transaction.
    let first = try Transaction.decode(try bytes(rows[0][1]))
    #expect(
      first.txid.reversed.hex == "23b397edccd3740a74adb603c9756370fafcde9bcc4483eb271ecad09a94dd63")
    #expect(first.wtxid == first.txid)
    #expect(first.weight == first.bytes().count * 4)
  }

  @Test func refusesEveryTruncation() throws {
    for row in try vectorRows("src/test/data/tx_valid.json").prefix(40) {
      let raw = try bytes(row[1])
      for length in 0..<raw.count {
        #expect(throws: BitcoinError.self) { try Transaction.decode(Array(raw[0..<length])) }
      }
      #expect(throws: BitcoinError.self) { try Transaction.decode(raw + [0]) }
    }
  }

  @Test func mutationsNeverTrap() throws {
    var random = SeededGenerator(seed: 0x7478)
    let rows = try vectorRows("src/test/data/tx_valid.json")
    var decoded = 0
    for _ in 0..<20_000 {
      var raw = try bytes(rows[random.int(0...rows.count - 1)][1])
      for _ in 0..<random.int(1...3) { raw[random.int(0...raw.count - 1)] = random.bytes(1)[0] }
      guard let transaction = try? Transaction.decode(raw) else { continue }
      decoded += 1
      #expect(transaction.bytes() == raw)
      _ = transaction.totalOutputSat
    }
    #expect(decoded > 1000)
  }
}

struct TransactionLimitTests {
  /// Two million witness items of a byte: one transaction of a hostile block.
  @Test func witnessesCanBeReadOver() throws {
    let item: [UInt8] = [1]
    var transaction = Transaction(
      inputs: [
        TransactionInput(
          previous: .coinbase, witness: [[UInt8]](repeating: item, count: 100_000))
      ], outputs: [TransactionOutput(amountSat: 1, scriptPubKey: [0x51])])
    var reader = ByteReader(transaction.bytes())
    let stripped = try Transaction.decode(&reader, keepsWitness: false)
    #expect(reader.isAtEnd)
    #expect(stripped.txid == transaction.txid)
    transaction.inputs[0].witness = []
    #expect(stripped == transaction)
    let block = Block(header: Network.regtest.genesis, transactions: [transaction])
    var framer = MessageFramer(magic: Network.regtest.magic, keepsBlockWitnesses: false)
    framer.append(MessageFrame.encode(.block(block), magic: Network.regtest.magic))
    #expect(try framer.next() == .block(block))
  }

  @Test func moreThanABlockCouldHoldIsRefused() {
    let output = TransactionOutput(amountSat: 1, scriptPubKey: [0x51])
    let large = Transaction(
      inputs: [TransactionInput(previous: .coinbase)],
      outputs: [TransactionOutput](repeating: output, count: 100_100))
    #expect(throws: BitcoinError.self) { try Transaction.decode(large.bytes()) }
    let relayed = Transaction(
      inputs: [TransactionInput(previous: .coinbase)],
      outputs: [TransactionOutput](repeating: output, count: 40_001))
    #expect(throws: Never.self) { try Transaction.decode(relayed.bytes()) }
    #expect(throws: BitcoinError.self) {
      try PeerMessage.decode(command: Array("tx".utf8), payload: relayed.bytes())
    }
  }

  @Test func amountsBeyondAllCoinsHaveNoTotal() {
    func total(_ amounts: UInt64...) -> UInt64? {
      Transaction(
        inputs: [], outputs: amounts.map { TransactionOutput(amountSat: $0, scriptPubKey: []) }
      ).totalOutputSat
    }
    #expect(total(Amount.maxSat) == Amount.maxSat)
    #expect(total(Amount.maxSat, 1) == nil)
    #expect(total(UInt64.max, 1) == nil)
  }

  @Test func countsThatTheBytesCannotHoldAreRefused() {
    // Four billion inputs in nine bytes.
    let raw: [UInt8] = [2, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff]
    #expect(
      throws: BitcoinError.malformed(
        .tooLarge(offset: 4, value: 0xffff_ffff, limit: 4_000_000 / 41))
    ) {
      try Transaction.decode(raw)
    }
  }
}
