import Bytes
import Market

/// One task in a lease's task table: its order until it ends, then its line.
enum TaskRow: Equatable {
  case order(TaskOrder)
  /// The place of the line among the lease's lines, from 0.
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

  /// Nil for what ``encode()`` has not written.
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

/// What is to be written to a lease's task table with its next commit. Later rows replace earlier ones of
/// the same number.
struct PendingRows {
  private var rows: [StoredRow] = []
  /// Deletions can wait for the next commit.
  private var lazyRows: [StoredRow] = []
  private static let mostLazy = 256

  mutating func put(_ row: TaskRow) { put(StoredRow(number: row.number, body: row.encode())) }

  mutating func put(_ row: StoredRow) {
    rows.removeAll { $0.number == row.number }
    rows.append(row)
  }

  /// Deletes the row of a task whose line is in the sums, with a later commit.
  mutating func deleteLater(_ number: UInt32) {
    lazyRows.append(StoredRow(number: number, body: []))
  }

  /// Whether there is something that has to be on disk now.
  var isEmpty: Bool { rows.isEmpty && lazyRows.count < PendingRows.mostLazy }

  /// All that waits, with the sums as they are; empty where there is nothing to do.
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
