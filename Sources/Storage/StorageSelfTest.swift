import Bytes

/// Checks the properties of SQLite that the stores need, in memory, and after a crash in a
/// temporary folder.
public enum StorageSelfTest {
  public static func run(_ report: (StaticString, Bool) -> Void) {
    var sum = Checksum()
    sum.addRaw(Array("123456789".utf8))
    report("storage: CRC-32", sum.value == 0xcbf4_3926)
    report("storage: channels do not go backwards", (try? channelsHold()) ?? false)
    report("storage: headers are replaced and dropped", (try? headersHold()) ?? false)
    report("storage: transactions are atomic", (try? transactionsHold()) ?? false)
    report("storage: amounts up to all coins", (try? amountsHold()) ?? false)
    report("storage: commits survive a crash", CrashSelfTest().holds())
  }

  private static func channelsHold() throws(StorageError) -> Bool {
    let channels = try Ledger(path: ":memory:").channels
    try channels.open(.zero, state: [1], unixSeconds: 1)
    try channels.update(.zero, sequence: 2, amountSat: 5_000_000_000, state: [2], unixSeconds: 2)
    do throws(StorageError) {
      try channels.update(.zero, sequence: 3, amountSat: 1, state: [3], unixSeconds: 3)
      return false
    } catch {
      if error != .backwards(storedSequence: 2, storedAmountSat: 5_000_000_000) { return false }
    }
    return try channels.load(.zero)?.state == [2]
  }

  private static func headersHold() throws(StorageError) -> Bool {
    let headers = try ChainCache(path: ":memory:").headers
    func header(_ byte: UInt8) -> [UInt8] { [UInt8](repeating: byte, count: 80) }
    try headers.store(fromHeight: 7, header(1) + header(2) + header(3), workBefore: [9])
    try headers.storeFilterHeaders(fromHeight: 7, [.zero, .zero])
    try headers.store(fromHeight: 8, header(4), workBefore: [])
    try headers.drop(belowHeight: 8, workBefore: [8])
    return try headers.load()
      == StoredChain(baseHeight: 8, workBefore: [8], headers: header(4), filterHeaders: [])
  }

  private static func amountsHold() throws(StorageError) -> Bool {
    let channels = try Ledger(path: ":memory:").channels
    let seconds: UInt64 = 1 << 33
    try channels.open(.zero, state: [1], unixSeconds: seconds)
    try channels.update(
      .zero, sequence: 1 << 40, amountSat: 2_100_000_000_000_000, state: [2], unixSeconds: seconds)
    let stored = try channels.load(.zero)
    return stored?.sequence == 1 << 40 && stored?.amountSat == 2_100_000_000_000_000
      && stored?.updatedUnixSeconds == seconds
  }

  private static func transactionsHold() throws(StorageError) -> Bool {
    let ledger = try Ledger(path: ":memory:")
    let values = ledger.values(space: 1)
    do throws(StorageError) {
      try ledger.transaction { () throws(StorageError) in
        try values.put("key", [1])
        throw .unknown
      }
    } catch {
      let found = try values.get("key")
      return error == .unknown && found == nil
    }
    return false
  }
}
