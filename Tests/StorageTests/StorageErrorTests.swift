import Testing

@testable import Storage

/// What a program makes of an error depends on these: wait, give up the folder, or give up.
struct StorageErrorTests {
  @Test func aFullDiskIsToldApart() throws {
    let scratch = try Scratch()
    let ledger = try Ledger(path: scratch.file("ledger.db"))
    let before = try ledger.channels.all().count
    try ledger.database.execute("PRAGMA max_page_count = 1")
    var told: StorageError?
    do throws(StorageError) {
      for number in 0..<100 {
        try ledger.channels.open(
          identifier(UInt8(number)), state: [UInt8](repeating: 1, count: 4000), unixSeconds: 1)
      }
    } catch { told = error }
    let error = try #require(told)
    #expect(error.isFull && error.isUnwritable && !error.isOutOfMemory)
    // What was refused is not half there, and there is room again.
    let stored = try ledger.channels.all().count
    try ledger.database.execute("PRAGMA max_page_count = 10000")
    try ledger.channels.open(identifier(200), state: [7], unixSeconds: 1)
    #expect(try ledger.channels.all().count == stored + 1)
    #expect(before == 0)
  }

  @Test(arguments: [
    (StorageError.failed(code: 7, operation: "step", path: "p"), false, true),
    (.failed(code: 10 | 12 << 8, operation: "step", path: "p"), false, true),
    (.failed(code: 8 | 1 << 8, operation: "step", path: "p"), true, false),
    (.failed(code: 14, operation: "open", path: "p"), true, false),
    (.failed(code: 10 | 19 << 8, operation: "step", path: "p"), true, false),
    (.failed(code: 10, operation: "step", path: "p"), false, false),
    (.damaged(path: "p", detail: "d"), false, false),
    (.notMade(path: "p", errno: 28), true, false), (.full(path: "p"), true, false),
  ])
  func errorsAreToldApart(error: StorageError, isUnwritable: Bool, isOutOfMemory: Bool) {
    #expect(error.isUnwritable == isUnwritable)
    #expect(error.isOutOfMemory == isOutOfMemory)
  }
}
