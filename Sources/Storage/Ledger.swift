/// The database of what must not be lost: channels, signed documents, settings. Commits are on the
/// disk before they return. When it is damaged, opening it fails and the file is left as it is:
/// somebody has to look, since the state of money is never guessed.
public final class Ledger {
  public let database: Database
  public let channels: ChannelStore
  public let documents: DocumentStore

  /// Opens or makes the file at `path`, and checks every channel in it.
  public init(path: String) throws(StorageError) {
    let schema = ChannelStore.schema + DocumentStore.schema + KeyValueStore.schema
    database = try Database(
      path: path, durability: .full, migrations: [schema], checksEverything: true)
    channels = ChannelStore(database)
    documents = DocumentStore(database)
    _ = try channels.all(includingClosed: true)
  }

  /// Several changes, of several stores, as one commit.
  public func transaction<T>(
    _ body: () throws(StorageError) -> T
  ) throws(StorageError) -> T {
    try database.transaction(body)
  }

  public func values(space: UInt32) -> KeyValueStore { KeyValueStore(database, space: space) }
}
