/// Values of one width by height, without gaps; as many in a row as nearly fill a page. Appending
/// one value rewrites one page; appending thousands writes few rows. The lowest row may include
/// heights that its owner has dropped; the owner stores the base height.
struct HeightRows {
  /// 4,000 bytes, a checksum and a height make a cell that fits a page of 4,096 bytes.
  private static let rowBytes = 4000

  private let database: Database
  private let table: String
  /// Bytes of a value.
  let width: Int

  static func schema(_ table: String) -> String {
    "CREATE TABLE " + table
      + " (height INTEGER PRIMARY KEY, bytes BLOB NOT NULL, sum INTEGER NOT NULL);"
  }

  init(_ database: Database, table: String, width: Int) {
    self.database = database
    self.table = table
    self.width = width
  }

  /// One above the highest value; nil if there is none.
  func nextHeight() throws(StorageError) -> UInt32? {
    let statement = try database.prepare(
      "SELECT height, length(bytes) FROM " + table + " ORDER BY height DESC LIMIT 1")
    if try !statement.step() { return nil }
    let height = try statement.u64(0)
    let count = try statement.u64(1)
    if height > UInt64(UInt32.max) || count > UInt64(HeightRows.rowBytes) { throw damaged(height) }
    return UInt32(truncatingIfNeeded: height + count / UInt64(width))
  }

  /// Appends values; `fromHeight` must be one above the highest stored height, if there is one.
  func append(fromHeight: UInt32, _ bytes: [UInt8]) throws(StorageError) {
    let insert = try database.prepare("INSERT OR REPLACE INTO " + table + " VALUES (?, ?, ?)")
    var height = fromHeight
    var row: [UInt8] = []
    if let last = try self.row(below: fromHeight) {
      if fromHeight - last.height != UInt32(last.bytes.count / width) { throw damaged(0) }
      if last.bytes.count < rowLimit {
        height = last.height
        row = last.bytes
      }
    }
    var place = 0
    while place < bytes.count {
      let count = min(rowLimit - row.count, bytes.count - place)
      row += bytes[place..<place + count]
      place += count
      try put(height, row, insert)
      height += UInt32(row.count / width)
      row.removeAll(keepingCapacity: true)
    }
  }

  /// Drops values at and above `fromHeight`.
  func truncate(fromHeight: UInt32) throws(StorageError) {
    try delete("height >= ?", fromHeight)
    guard let last = try row(below: fromHeight) else { return }
    let kept = Int(fromHeight - last.height) * width
    if kept >= last.bytes.count { return }
    let update = try database.prepare("INSERT OR REPLACE INTO " + table + " VALUES (?, ?, ?)")
    try put(last.height, Array(last.bytes[..<kept]), update)
  }

  /// Drops rows whose heights are all below `height`.
  func drop(below height: UInt32) throws(StorageError) {
    if let next = try nextHeight(), next <= height {
      try delete("height < ?", height)
      return
    }
    let find = try database.prepare("SELECT max(height) FROM " + table + " WHERE height <= ?")
    try find.bind(1, UInt64(height))
    if try !find.step() || find.isNull(0) { return }
    let start = try find.u64(0)
    find.reset()
    try delete("height < ?", UInt32(truncatingIfNeeded: start))
  }

  /// All values from `baseHeight` on; every row is checked. Empty if there is none.
  func load(baseHeight: UInt32) throws(StorageError) -> [UInt8] {
    let statement = try database.prepare(
      "SELECT height, bytes, sum FROM " + table + " ORDER BY height")
    var all: [UInt8] = []
    if let next = try nextHeight(), next > baseHeight {
      // A damaged height must not cause an allocation of gigabytes.
      all.reserveCapacity(min(Int(next - baseHeight), 16_384) * width)
    }
    var next: UInt64?
    while try statement.step() {
      let row = try self.row(statement)
      if let next, next != UInt64(row.height) { throw damaged(next) }
      let end = UInt64(row.height) + UInt64(row.bytes.count / width)
      if next == nil && (row.height > baseHeight || end <= UInt64(baseHeight)) {
        throw damaged(UInt64(baseHeight))
      }
      let skipped = next == nil ? Int(baseHeight - row.height) * width : 0
      all += row.bytes[skipped...]
      next = end
    }
    return all
  }

  // MARK: Rows

  private var rowLimit: Int { HeightRows.rowBytes / width * width }

  /// The highest row that begins below `height`.
  private func row(
    below height: UInt32
  ) throws(StorageError) -> (height: UInt32, bytes: [UInt8])? {
    let statement = try database.prepare(
      "SELECT height, bytes, sum FROM " + table + " WHERE height < ? ORDER BY height DESC LIMIT 1")
    try statement.bind(1, UInt64(height))
    return try statement.step() ? try row(statement) : nil
  }

  private func row(
    _ statement: borrowing Statement
  ) throws(StorageError) -> (height: UInt32, bytes: [UInt8]) {
    let height = try statement.u64(0)
    let bytes = try statement.blob(1, limit: HeightRows.rowBytes)
    if bytes.isEmpty || bytes.count % width != 0 || height > UInt64(UInt32.max) {
      throw damaged(height)
    }
    if HeightRows.sum(height, bytes) != (try statement.u64(2)) { throw damaged(height) }
    return (UInt32(height), bytes)
  }

  private func put(
    _ height: UInt32, _ bytes: [UInt8], _ statement: borrowing Statement
  ) throws(StorageError) {
    try statement.bind(1, UInt64(height))
    try statement.bind(2, bytes)
    try statement.bind(3, HeightRows.sum(UInt64(height), bytes))
    try statement.run()
  }

  private func delete(_ which: String, _ height: UInt32) throws(StorageError) {
    let statement = try database.prepare("DELETE FROM " + table + " WHERE " + which)
    try statement.bind(1, UInt64(height))
    try statement.run()
  }

  private static func sum(_ height: UInt64, _ bytes: [UInt8]) -> UInt64 {
    var sum = Checksum()
    sum.add(height)
    sum.add(bytes)
    return sum.value
  }

  private func damaged(_ height: UInt64) -> StorageError {
    .damaged(path: database.path, detail: table + " from height \(height) on")
  }
}
