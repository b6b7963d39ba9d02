import Bytes

/// The stored end of the header chain.
public struct StoredChain: Equatable, Sendable {
  /// The height of the first header.
  public var baseHeight: UInt32
  /// The caller's record of the chain below: its work.
  public var workBefore: [UInt8]
  /// Consecutive headers of 80 bytes, concatenated, from `baseHeight` on.
  public var headers: [UInt8]
  /// Filter headers (BIP157) of the same heights, possibly fewer.
  public var filterHeaders: [Bytes32]

  public var headerCount: Int { headers.count / HeaderStore.headerBytes }
}

/// Block headers and filter headers by height, without gaps.
public final class HeaderStore {
  public static let headerBytes = 80

  static let schema =
    HeightRows.schema("headers") + HeightRows.schema("filters") + """
      CREATE TABLE base (
        one INTEGER PRIMARY KEY, height INTEGER NOT NULL, work BLOB NOT NULL, sum INTEGER NOT NULL);
      """

  private let database: Database
  private let headers: HeightRows
  private let filters: HeightRows

  init(_ database: Database) {
    self.database = database
    headers = HeightRows(database, table: "headers", width: HeaderStore.headerBytes)
    filters = HeightRows(database, table: "filters", width: 32)
  }

  /// Stores concatenated headers from `fromHeight` on; headers and filter headers at and above that
  /// height are dropped first. `workBefore` is stored if this is the lowest header. Throws
  /// ``StorageError/gap(expected:offered:)`` if a height in between would be missing.
  public func store(
    fromHeight: UInt32, _ bytes: [UInt8], workBefore: [UInt8]
  ) throws(StorageError) {
    let rest = bytes.count % HeaderStore.headerBytes
    if rest != 0 { throw .tooLarge(bytes: rest, limit: HeaderStore.headerBytes) }
    try database.transaction { () throws(StorageError) in
      if let next = try nextHeight() {
        if fromHeight > next { throw .gap(expected: next, offered: fromHeight) }
        if fromHeight < next { try truncate(fromHeight: fromHeight) }
      }
      if bytes.isEmpty { return }
      if try nextHeight() == nil { try setBase(fromHeight, workBefore) }
      try headers.append(fromHeight: fromHeight, bytes)
    }
  }

  /// Stores filter headers from `fromHeight` on, and drops those above. Their block headers, and
  /// the filter header before them, must be stored.
  public func storeFilterHeaders(
    fromHeight: UInt32, _ filterHeaders: [Bytes32]
  ) throws(StorageError) {
    try database.transaction { () throws(StorageError) in
      let next = try nextFilterHeight()
      if fromHeight > next { throw .gap(expected: next, offered: fromHeight) }
      let end = try nextHeight() ?? 0
      let base = try base()?.height ?? 0
      if fromHeight < base || UInt64(fromHeight) + UInt64(filterHeaders.count) > UInt64(end) {
        throw .gap(expected: end, offered: fromHeight < base ? fromHeight : end)
      }
      if fromHeight < next { try truncateFilters(fromHeight, base) }
      var bytes: [UInt8] = []
      bytes.reserveCapacity(32 * filterHeaders.count)
      for header in filterHeaders { header.append(to: &bytes) }
      try filters.append(fromHeight: fromHeight, bytes)
    }
  }

  /// Drops headers at and above `fromHeight`.
  public func truncate(fromHeight: UInt32) throws(StorageError) {
    try database.transaction { () throws(StorageError) in
      guard let base = try base()?.height else { return }
      // The lowest row may hold dropped heights, which are useless without the headers above.
      try headers.truncate(fromHeight: fromHeight <= base ? 0 : fromHeight)
      try truncateFilters(fromHeight, base)
    }
  }

  private func truncateFilters(_ fromHeight: UInt32, _ base: UInt32) throws(StorageError) {
    try filters.truncate(fromHeight: fromHeight <= base ? 0 : fromHeight)
  }

  /// Drops headers below `belowHeight`; `workBefore` is the work of the chain below it.
  public func drop(belowHeight: UInt32, workBefore: [UInt8]) throws(StorageError) {
    try database.transaction { () throws(StorageError) in
      try headers.drop(below: belowHeight)
      try filters.drop(below: belowHeight)
      try setBase(belowHeight, workBefore)
    }
  }

  /// All stored data; nil if there is none. Every row is checked; throws
  /// ``StorageError/damaged(path:detail:)``.
  public func load() throws(StorageError) -> StoredChain? {
    guard let next = try nextHeight() else { return nil }
    guard let base = try base(), base.height < next else {
      throw .damaged(path: database.path, detail: "the base of the headers")
    }
    var chain = StoredChain(
      baseHeight: base.height, workBefore: base.work,
      headers: try headers.load(baseHeight: base.height), filterHeaders: [])
    let bytes = try filters.load(baseHeight: base.height)
    if bytes.count / 32 > chain.headerCount {
      throw .damaged(path: database.path, detail: "filter headers without headers")
    }
    chain.filterHeaders.reserveCapacity(bytes.count / 32)
    for index in 0..<bytes.count / 32 { chain.filterHeaders.append(Bytes32(bytes, at: 32 * index)) }
    return chain
  }

  // MARK: Parts

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

  /// One above the highest header; nil when there is none.
  public func nextHeight() throws(StorageError) -> UInt32? { try headers.nextHeight() }

  /// The first height without a filter header, or 0 when nothing is stored.
  public func nextFilterHeight() throws(StorageError) -> UInt32 {
    if try nextHeight() == nil { return 0 }
    if let next = try filters.nextHeight() { return next }
    return try base()?.height ?? 0
  }
}
