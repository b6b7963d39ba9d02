import Bytes
import Market

/// One task in a lease's task table: its order until it ends, then its line.
enum TaskRow: Equatable {
  case order(TaskOrder)
  /// `ordinal` is the line's place in the lease, from 0.
  case line(TaskLine, ordinal: UInt32)

  private static let version: UInt8 = 1

  var number: UInt32 {
    switch self {
    case .order(let order): return order.number
    case .line(let line, _): return line.number
    }
  }

  func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 256)
    writer.u8(TaskRow.version)
    switch self {
    case .order(let order):
      writer.u8(1)
      order.encode(to: &writer)
    case .line(let line, let ordinal):
      writer.u8(2)
      writer.u32le(ordinal)
      line.encode(to: &writer)
    }
    return writer.bytes
  }

  /// Returns nil for anything that ``encode()`` did not write.
  static func decode(_ bytes: [UInt8]) -> TaskRow? {
    var reader = ByteReader(bytes)
    do throws(BytesError) {
      if try reader.u8() != version { return nil }
      switch try reader.u8() {
      case 1:
        guard let order = try? TaskOrder.decode(reader.rest()) else { return nil }
        return .order(order)
      case 2:
        let ordinal = try reader.u32le()
        guard let line = try? TaskLine.decode(reader.rest()) else { return nil }
        return .line(line, ordinal: ordinal)
      default: return nil
      }
    } catch { return nil }
  }
}

/// Rows for the next commit of a lease's task table. A later row replaces an earlier one of the
/// same number.
struct PendingRows {
  private var rows: [StoredRow] = []
  /// Deletions may wait for the next commit.
  private var lazyRows: [StoredRow] = []
  private static let mostLazy = 256

  mutating func put(_ row: TaskRow) { put(StoredRow(number: row.number, body: row.encode())) }

  mutating func put(_ row: StoredRow) {
    rows.removeAll { $0.number == row.number }
    rows.append(row)
  }

  /// Schedules the deletion of a task's row; its line is included in the sums.
  mutating func deleteLater(_ number: UInt32) {
    lazyRows.append(StoredRow(number: number, body: []))
  }

  /// Whether no row must be stored now.
  var isEmpty: Bool { rows.isEmpty && lazyRows.count < PendingRows.mostLazy }

  /// All pending rows and the current sums; empty if none must be stored.
  mutating func take(_ sums: LeaseSums) -> [StoredRow] {
    if isEmpty { return [] }
    var taken = lazyRows
    for row in rows { taken.append(row) }
    taken.removeAll { $0.number == LeaseSums.row }
    taken.append(StoredRow(number: LeaseSums.row, body: sums.encode()))
    rows = []
    lazyRows = []
    return taken
  }
}
