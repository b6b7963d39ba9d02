import Bytes
import Testing

@testable import Storage

@Suite struct TaskRowStoreTests {
  private func row(_ number: UInt32, _ body: [UInt8]) -> TaskRowStore.Row {
    TaskRowStore.Row(number: number, body: body)
  }

  @Test func rowsAreReplacedAndDeletedByNumber() throws {
    let tasks = try Ledger(path: ":memory:").tasks
    let (one, two) = (identifier(1), identifier(2))
    try tasks.apply(one, [row(3, [3]), row(0, [9]), row(.max, [7])])
    try tasks.apply(two, [row(3, [4])])
    #expect(try tasks.all(one) == [row(0, [9]), row(3, [3]), row(.max, [7])])
    // Deleting what is not there is no error: who deletes need not know.
    try tasks.apply(one, [row(3, [5, 5]), row(.max, []), row(8, [])])
    #expect(try tasks.all(one) == [row(0, [9]), row(3, [5, 5])])
    try tasks.removeAll(one)
    #expect(try tasks.all(one).isEmpty)
    #expect(try tasks.all(two) == [row(3, [4])])
  }

  /// Of one call all rows are stored, or none.
  @Test func oneThatCannotBeStoredTakesTheOthersBack() throws {
    let tasks = try Ledger(path: ":memory:").tasks
    let tooMany = TaskRowStore.bodyLimit + 1
    try tasks.apply(identifier(1), [row(1, [1])])
    #expect(throws: StorageError.tooLarge(bytes: tooMany, limit: TaskRowStore.bodyLimit)) {
      try tasks.apply(
        identifier(1), [row(1, []), row(2, [2]), row(3, [UInt8](repeating: 0, count: tooMany))])
    }
    #expect(try tasks.all(identifier(1)) == [row(1, [1])])
  }

  @Test func aRowThatChangedOnTheDiskIsNoticed() throws {
    let ledger = try Ledger(path: ":memory:")
    try ledger.tasks.apply(identifier(1), [row(1, [1, 2, 3])])
    try ledger.database.execute("UPDATE task SET body = x'010204'")
    #expect(throws: StorageError.self) { try ledger.tasks.all(identifier(1)) }
  }
}
