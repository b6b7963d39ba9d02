import Bytes

/// The tail of the header chain, as it is on disk.
public struct StoredChain: Equatable, Sendable {
  /// The height of the first header.
  public var baseHeight: UInt32
  /// What the caller wants to remember of the chain below it: its work.
  public var workBefore: [UInt8]
  /// Consecutive headers of 80 bytes, from `baseHeight` on.
  public var headers: [[UInt8]]
  /// Filter headers (BIP157) of the same heights, perhaps fewer.
  public var filterHeaders: [Bytes32]
}

/// Block headers and filter headers by height, without gaps.
public final class HeaderStore {
  static let schema = """
    CREATE TABLE header (
      height INTEGER PRIMARY KEY, header BLOB NOT NULL, filter BLOB, sum INTEGER NOT NULL);
    CREATE TABLE base (
      one INTEGER PRIMARY KEY, height INTEGER NOT NULL, work BLOB NOT NULL, sum INTEGER NOT NULL);
    """

  private let database: Database

  init(_ database: Database) { self.database = database }

  /// Stores headers from `fromHeight` on; whatever is stored at and above is dropped first, filter
  /// headers too. `workBefore` is kept when this is the lowest header that there is.
  /// ``StorageError/gap(expected:offered:)`` when a height between would be missing.
  public func store(
    fromHeight: UInt32, _ headers: [[UInt8]], workBefore: [UInt8]
  ) throws(StorageError) {
    try database.transaction { () throws(StorageError) in
      if let next = try nextHeight(), fromHeight > next {
        throw .gap(expected: next, offered: fromHeight)
      }
      try truncate(fromHeight: fromHeight)
      if headers.isEmpty { return }
      if try nextHeight() == nil { try setBase(fromHeight, workBefore) }
      let statement = try database.prepare("INSERT INTO header VALUES (?, ?, NULL, ?)")
      for (index, header) in headers.enumerated() {
        if header.count != 80 { throw .tooLarge(bytes: header.count, limit: 80) }
        let height = UInt64(fromHeight) + UInt64(index)
        try statement.bind(1, height)
        try statement.bind(2, header)
        try statement.bind(3, HeaderStore.sum(height, header, nil))
        try statement.run()
      }
    }
  }

  /// Stores filter headers from `fromHeight` on, and forgets those above. Their block headers, and
  /// the filter header before them, must be there.
  public func storeFilterHeaders(
    fromHeight: UInt32, _ filterHeaders: [Bytes32]
  ) throws(StorageError) {
    try database.transaction { () throws(StorageError) in
      let next = try nextFilterHeight()
      if fromHeight > next { throw .gap(expected: next, offered: fromHeight) }
      let update = try database.prepare("UPDATE header SET filter = ?, sum = ? WHERE height = ?")
      // Prepared once: there are two thousand of them in a message, and a million in a chain.
      let find = try database.prepare("SELECT header FROM header WHERE height = ?")
      var height = fromHeight
      for filter in filterHeaders {
        guard let header = try HeaderStore.header(height, find) else {
          throw .gap(expected: try nextHeight() ?? 0, offered: height)
        }
        try update.bind(1, filter.array)
        try update.bind(2, HeaderStore.sum(UInt64(height), header, filter))
        try update.bind(3, UInt64(height))
        try update.run()
        height += 1
      }
      while height < next, let header = try HeaderStore.header(height, find) {
        try update.bindNull(1)
        try update.bind(2, HeaderStore.sum(UInt64(height), header, nil))
        try update.bind(3, UInt64(height))
        try update.run()
        height += 1
      }
    }
  }

  /// Forgets headers at and above `fromHeight`.
  public func truncate(fromHeight: UInt32) throws(StorageError) {
    let statement = try database.prepare("DELETE FROM header WHERE height >= ?")
    try statement.bind(1, UInt64(fromHeight))
    try statement.run()
  }

  /// Forgets headers below `belowHeight`; `workBefore` is of the chain below it.
  public func drop(belowHeight: UInt32, workBefore: [UInt8]) throws(StorageError) {
    try database.transaction { () throws(StorageError) in
      let statement = try database.prepare("DELETE FROM header WHERE height < ?")
      try statement.bind(1, UInt64(belowHeight))
      try statement.run()
      try setBase(belowHeight, workBefore)
    }
  }

  /// All that is stored; nil when there is nothing. Every row is checked:
  /// ``StorageError/damaged(path:detail:)``.
  public func load() throws(StorageError) -> StoredChain? {
    guard let next = try nextHeight() else { return nil }
    guard let base = try base(), base.height < next else {
      throw .damaged(path: database.path, detail: "the base of the headers")
    }
    var chain = StoredChain(
      baseHeight: base.height, workBefore: base.work, headers: [], filterHeaders: [])
    let statement = try database.prepare(
      "SELECT height, header, filter, sum FROM header ORDER BY height")
    while try statement.step() {
      let expected = UInt64(base.height) + UInt64(chain.headers.count)
      let header = try statement.blob(1, limit: 80)
      let height = try statement.u64(0)
      let stored = try statement.u64(3)
      let filter = statement.isNull(2) ? nil : Bytes32(exactly: try statement.blob(2, limit: 32))
      if height != expected || header.count != 80 || (filter == nil) != statement.isNull(2)
        || HeaderStore.sum(expected, header, filter) != stored
      {
        throw .damaged(path: database.path, detail: "header \(expected)")
      }
      if let filter {
        if chain.filterHeaders.count != chain.headers.count {
          throw .damaged(path: database.path, detail: "filter header \(expected)")
        }
        chain.filterHeaders.append(filter)
      }
      chain.headers.append(header)
    }
    return chain
  }

  // MARK: Parts

  static func sum(_ height: UInt64, _ header: [UInt8], _ filter: Bytes32?) -> UInt64 {
    var sum = Checksum()
    sum.add(height)
    sum.add(header)
    sum.add(filter?.array ?? [])
    return sum.value
  }

  private func setBase(_ height: UInt32, _ work: [UInt8]) throws(StorageError) {
    if work.count > 64 { throw .tooLarge(bytes: work.count, limit: 64) }
    let statement = try database.prepare("INSERT OR REPLACE INTO base VALUES (1, ?, ?, ?)")
    var sum = Checksum()
    sum.add(UInt64(height))
    sum.add(work)
    try statement.bind(1, UInt64(height))
    try statement.bind(2, work)
    try statement.bind(3, sum.value)
    try statement.run()
  }

  private func base() throws(StorageError) -> (height: UInt32, work: [UInt8])? {
    let statement = try database.prepare("SELECT height, work, sum FROM base WHERE one = 1")
    if try !statement.step() { return nil }
    let height = try statement.u64(0)
    let work = try statement.blob(1, limit: 64)
    var sum = Checksum()
    sum.add(height)
    sum.add(work)
    if sum.value != (try statement.u64(2)) || height > UInt64(UInt32.max) {
      throw .damaged(path: database.path, detail: "the base of the headers")
    }
    return (UInt32(height), work)
  }

  private static func header(
    _ height: UInt32, _ statement: borrowing Statement
  ) throws(StorageError) -> [UInt8]? {
    statement.reset()
    try statement.bind(1, UInt64(height))
    let header = try statement.step() ? try statement.blob(0, limit: 80) : nil
    statement.reset()
    return header
  }

  /// One above the highest header; nil when there is none.
  public func nextHeight() throws(StorageError) -> UInt32? {
    try height("SELECT max(height) + 1 FROM header")
  }

  /// The first height without a filter header, or 0 when nothing is stored.
  public func nextFilterHeight() throws(StorageError) -> UInt32 {
    if let first = try height("SELECT min(height) FROM header WHERE filter IS NULL") {
      return first
    }
    return try nextHeight() ?? 0
  }

  private func height(_ sql: String) throws(StorageError) -> UInt32? {
    let statement = try database.prepare(sql)
    if try !statement.step() || statement.isNull(0) { return nil }
    let height = try statement.u64(0)
    if height > UInt64(UInt32.max) {
      throw .damaged(path: database.path, detail: "header \(height)")
    }
    return UInt32(height)
  }
}
