import Bytes

/// A signed document as received: an offer, a contract, a report, a receipt.
public struct StoredDocument: Equatable, Sendable {
  /// The kind of document; the caller assigns the numbers.
  public var kind: UInt32
  public var id: Bytes32
  /// Seconds since 1970.
  public var unixSeconds: UInt64
  public var body: [UInt8]

  public init(kind: UInt32, id: Bytes32, unixSeconds: UInt64, body: [UInt8]) {
    self.kind = kind
    self.id = id
    self.unixSeconds = unixSeconds
    self.body = body
  }
}

/// Documents by kind and identifier.
public final class DocumentStore {
  /// Largest document, in bytes.
  public static let bodyLimit = 4_194_304

  static let schema = """
    CREATE TABLE document (
      kind INTEGER NOT NULL, id BLOB NOT NULL, time INTEGER NOT NULL, body BLOB NOT NULL,
      sum INTEGER NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
    """

  private let database: Database

  init(_ database: Database) { self.database = database }

  /// Stores a document; replaces the one with its kind and identifier.
  public func put(_ document: StoredDocument) throws(StorageError) {
    if document.body.count > DocumentStore.bodyLimit {
      throw .tooLarge(bytes: document.body.count, limit: DocumentStore.bodyLimit)
    }
    let statement = try database.prepare("INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?)")
    try statement.bind(1, UInt64(document.kind))
    try statement.bind(2, document.id.array)
    try statement.bind(3, document.unixSeconds)
    try statement.bind(4, document.body)
    try statement.bind(5, DocumentStore.sum(document))
    try statement.run()
  }

  public func get(kind: UInt32, id: Bytes32) throws(StorageError) -> StoredDocument? {
    let statement = try database.prepare(
      "SELECT kind, id, time, body, sum FROM document WHERE kind = ? AND id = ?")
    try statement.bind(1, UInt64(kind))
    try statement.bind(2, id.array)
    return try statement.step() ? try document(statement) : nil
  }

  /// The identifiers of a kind, newest first, at most `limit`. Reading documents one by one needs
  /// little memory, and one damaged document does not prevent reading the others.
  public func identifiers(kind: UInt32, limit: UInt32 = .max) throws(StorageError) -> [Bytes32] {
    let statement = try database.prepare(
      "SELECT id FROM document WHERE kind = ? ORDER BY time DESC, id LIMIT ?")
    try statement.bind(1, UInt64(kind))
    try statement.bind(2, UInt64(limit))
    var found: [Bytes32] = []
    while try statement.step() {
      guard let id = Bytes32(exactly: try statement.blob(0, limit: 32)) else {
        throw .damaged(path: database.path, detail: "the identifier of a document")
      }
      found.append(id)
    }
    return found
  }

  /// The identifiers of a kind from `first` to `last`, inclusive, in ascending byte order.
  public func identifiers(
    kind: UInt32, from first: Bytes32, through last: Bytes32
  ) throws(StorageError) -> [Bytes32] {
    let statement = try database.prepare(
      "SELECT id FROM document WHERE kind = ? AND id >= ? AND id <= ? ORDER BY id")
    try statement.bind(1, UInt64(kind))
    try statement.bind(2, first.array)
    try statement.bind(3, last.array)
    var found: [Bytes32] = []
    while try statement.step() {
      guard let id = Bytes32(exactly: try statement.blob(0, limit: 32)) else {
        throw .damaged(path: database.path, detail: "the identifier of a document")
      }
      found.append(id)
    }
    return found
  }

  public func remove(kind: UInt32, id: Bytes32) throws(StorageError) {
    let statement = try database.prepare("DELETE FROM document WHERE kind = ? AND id = ?")
    try statement.bind(1, UInt64(kind))
    try statement.bind(2, id.array)
    try statement.run()
  }

  /// Removes the documents of a kind that are older than `beforeUnixSeconds`.
  public func remove(kind: UInt32, beforeUnixSeconds: UInt64) throws(StorageError) {
    let statement = try database.prepare("DELETE FROM document WHERE kind = ? AND time < ?")
    try statement.bind(1, UInt64(kind))
    try statement.bind(2, beforeUnixSeconds)
    try statement.run()
  }

  private func document(_ statement: borrowing Statement) throws(StorageError) -> StoredDocument {
    let kind = try statement.u64(0)
    guard kind <= UInt64(UInt32.max), let id = Bytes32(exactly: try statement.blob(1, limit: 32))
    else { throw .damaged(path: database.path, detail: "the identifier of a document") }
    let document = StoredDocument(
      kind: UInt32(kind), id: id, unixSeconds: try statement.u64(2),
      body: try statement.blob(3, limit: DocumentStore.bodyLimit))
    if DocumentStore.sum(document) != (try statement.u64(4)) {
      throw .damaged(path: database.path, detail: "document \(id.hex)")
    }
    return document
  }

  private static func sum(_ document: StoredDocument) -> UInt64 {
    var sum = Checksum()
    sum.add(UInt64(document.kind))
    sum.add(document.id.array)
    sum.add(document.unixSeconds)
    sum.add(document.body)
    return sum.value
  }
}
