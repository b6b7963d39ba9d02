import Bytes

/// Checks of values from peers and the chain that overflow a 32-bit `Int`.
enum BitcoinWidthSelfTest {
  static func run(_ report: (StaticString, Bool) -> Void) {
    report("Bitcoin: times up to 2106", times())
    report("Bitcoin: amounts up to all coins", amounts())
    report("Bitcoin: work of a period", work())
    report("Bitcoin: lengths beyond 32 bits are refused", lengths())
  }

  private static func times() -> Bool {
    var header = Network.bitcoin.genesis
    header.time = UInt32.max
    var writer = ByteWriter()
    header.encode(to: &writer)
    var reader = ByteReader(writer.bytes)
    guard let read = try? BlockHeader.decode(&reader), read == header else { return false }
    let nowSeconds = UInt64(UInt32.max) - HeaderRules.futureLimitSeconds
    if HeaderRules.isFromFuture(header, nowSeconds: nowSeconds) { return false }
    return HeaderRules.isFromFuture(header, nowSeconds: nowSeconds - 1)
      && !HeaderRules.isFromFuture(header, nowSeconds: UInt64(UInt32.max) + 1)
  }

  private static func amounts() -> Bool {
    let transaction = Transaction(
      inputs: [TransactionInput(previous: OutPoint(txid: .zero, index: 0xffff_fffe))],
      outputs: [TransactionOutput(amountSat: Amount.maxSat, scriptPubKey: [0x51])],
      lockTime: 0xffff_fffe)
    guard let read = try? Transaction.decode(transaction.bytes()) else { return false }
    return read == transaction && read.outputs[0].amountSat == 2_100_000_000_000_000
  }

  private static func work() -> Bool {
    var sum = ChainWork.zero
    for _ in 0..<2016 { sum += ChainWork(bits: 0x1703_4219) }
    return sum.bigEndianBytes.array
      == Hex.constant("0000000000000000000000000000000000000000026abf68c412adca4aaa3ea0")
  }

  private static func lengths() -> Bool {
    // 2^32 + 1 bytes, elements, and a push of 4 GiB: a 32-bit host must not truncate this to 1.
    let wide: [UInt8] = [0xff, 1, 0, 0, 0, 1, 0, 0, 0, 7]
    var reader = ByteReader(wide)
    if (try? reader.lengthPrefixed(limit: Int.max)) != nil { return false }
    for encoded in [wide, [0xfe, 0xff, 0xff, 0xff, 0xff, 7], [0xfe, 0, 0, 0, 0x80, 7]] {
      let filter = BlockFilter(encoded: encoded, blockHash: .zero)
      if (try? filter.matches(anyOf: [[0x51]])) != nil { return false }
    }
    var script = ScriptReader([Script.OpCode.pushData4, 0xff, 0xff, 0xff, 0xff])
    if script.next() != nil { return false }
    var framer = MessageFramer(magic: Network.bitcoin.magic)
    var frame = MessageFrame.encode(.verack, magic: Network.bitcoin.magic)
    for index in 16..<20 { frame[index] = 0xff }
    framer.append(frame)
    do {
      _ = try framer.next()
      return false
    } catch { return true }
  }
}
