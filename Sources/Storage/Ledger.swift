import CHost

/// The database of what must not be lost: channels, signed documents, settings. Commits are on the
/// disk before they return. When it is damaged, opening it fails and the file is left as it is:
/// somebody has to look, since the state of money is never guessed.
public final class Ledger {
  public let database: Database
  public let channels: ChannelStore
  public let documents: DocumentStore
  public let tasks: TaskRowStore

  private static let schema =
    ChannelStore.schema + DocumentStore.schema + KeyValueStore.schema + TaskRowStore.schema

  /// Opens or makes the file at `path`, and checks every channel and value in it.
  public init(path: String) throws(StorageError) {
    let isFile = path.utf8.first != 0x3a  // ":memory:"
    if isFile && Ledger.isMissing(path) {
      if !Ledger.isMissing(path + "-wal") {
        throw .damaged(path: path, detail: "its log is there, and it is not")
      }
      try Ledger.make(path)
    }
    database = try Database(
      path: path, durability: .full, migrations: [Ledger.schema], checksEverything: true,
      mustExist: isFile)
    channels = try ChannelStore(database)
    documents = DocumentStore(database)
    tasks = TaskRowStore(database)
    _ = try channels.all(includingClosed: true)
    try KeyValueStore.checkAll(database)
  }

  /// What is there and cannot be looked at is not missing.
  private static func isMissing(_ path: String) -> Bool {
    var size: UInt64 = 0
    var kind: Int32 = 0
    var mode: UInt32 = 0
    var modified: UInt64 = 0
    return host_stat(path, &size, &kind, &mode, &modified) == -Int32(HOST_ENOENT)
  }

  /// A new ledger appears at `path` whole or not at all. So a file there that holds nothing is one
  /// that lost everything, and not one that a crash left unfinished.
  private static func make(_ path: String) throws(StorageError) {
    let temporary = path + ".new"
    try Database.remove(path: temporary)
    try Database(path: temporary, durability: .full, migrations: [schema]).checkpoint()
    let result = host_rename(temporary, path)
    if result < 0 { throw .notMade(path: path, errno: -result) }
    var folder = Array(path.utf8)
    while let last = folder.last, last != 0x2f { folder.removeLast() }
    let synced = host_sync_folder(
      folder.isEmpty ? "." : String(decoding: folder, as: UTF8.self))
    if synced < 0 { throw .notMade(path: path, errno: -synced) }
  }

  /// Several changes, of several stores, as one commit.
  public func transaction<T>(
    _ body: () throws(StorageError) -> T
  ) throws(StorageError) -> T {
    try database.transaction(body)
  }

  public func values(space: UInt32) -> KeyValueStore { KeyValueStore(database, space: space) }
}
