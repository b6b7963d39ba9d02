import Bytes
import Testing

@testable import Storage

@Suite struct DocumentStoreTests {
  @Test func keepsDocumentsByKind() throws {
    let documents = try Ledger(path: ":memory:").documents
    for number in 1...5 as ClosedRange<UInt8> {
      try documents.put(
        StoredDocument(
          kind: 1, id: identifier(number), unixSeconds: UInt64(number), body: [number]))
    }
    try documents.put(StoredDocument(kind: 2, id: identifier(1), unixSeconds: 9, body: []))
    let ids = [5, 4, 3, 2, 1].map { identifier($0) }
    #expect(try documents.identifiers(kind: 1) == ids)
    #expect(try documents.identifiers(kind: 1, limit: 2) == Array(ids.prefix(2)))
    #expect(try documents.identifiers(kind: 9, limit: 2).isEmpty)
    #expect(try documents.get(kind: 2, id: identifier(1))?.body == [])
    #expect(try documents.get(kind: 3, id: identifier(1)) == nil)
    try documents.put(StoredDocument(kind: 1, id: identifier(1), unixSeconds: 10, body: [8]))
    #expect(try documents.identifiers(kind: 1, limit: 1) == [identifier(1)])
    #expect(try documents.get(kind: 1, id: identifier(1))?.body == [8])
    try documents.remove(kind: 1, id: identifier(1))
    try documents.remove(kind: 1, beforeUnixSeconds: 4)
    #expect(try documents.identifiers(kind: 1) == Array(ids.prefix(2)))
    #expect(try documents.identifiers(kind: 2).count == 1)
    let tooMany = DocumentStore.bodyLimit + 1
    #expect(throws: StorageError.tooLarge(bytes: tooMany, limit: DocumentStore.bodyLimit)) {
      try documents.put(
        StoredDocument(
          kind: 1, id: identifier(1), unixSeconds: 0, body: [UInt8](repeating: 0, count: tooMany)))
    }
  }

  @Test func valuesAreByNamespace() throws {
    let ledger = try Ledger(path: ":memory:")
    let first = ledger.values(space: 1)
    let second = ledger.values(space: 2)
    try first.put("b", [1])
    try first.put([], [])
    try second.put("b", [2])
    try first.put("b", [3])
    #expect(try first.get("b") == [3] && second.get("b") == [2])
    #expect(try first.get([]) == [])
    #expect(try first.get("c") == nil)
    #expect(try first.all().map { $0.key } == [[], [0x62]])
    try first.remove("b")
    #expect(try first.get("b") == nil && second.get("b") == [2])
    #expect(throws: StorageError.tooLarge(bytes: 1025, limit: 1024)) {
      try first.put([UInt8](repeating: 0, count: 1025), [])
    }
  }
}
