import Foundation
import Host

/// A task's output until it is shown: the beginning in memory, the rest in a file.
final class OutputSpool {
  /// The memory available to all tasks of a run together.
  final class Budget {
    fileprivate var leftBytes: Int
    init(bytes: Int = 8 << 20) { leftBytes = bytes }
  }

  private let path: String
  private let budget: Budget
  private var head: [UInt8] = []
  private(set) var sizeBytes: UInt64 = 0
  private static let pieceBytes = 1 << 18

  /// - Parameter path: of the overflow file.
  init(path: String, budget: Budget) {
    self.path = path
    self.budget = budget
  }

  deinit { drop() }

  /// Appends bytes at `offset` of the stream. Offset 0 discards earlier output.
  func append(offset: UInt64, _ bytes: [UInt8]) throws(HostError) {
    if offset == 0 { drop() }
    sizeBytes += UInt64(bytes.count)
    if UInt64(head.count) == sizeBytes - UInt64(bytes.count), bytes.count <= budget.leftBytes {
      head += bytes
      budget.leftBytes -= bytes.count
    } else {
      try Files.append(path, bytes)
    }
  }

  /// Passes all output to `use`, in pieces.
  func read(_ use: ([UInt8]) -> Void) throws(HostError) {
    if !head.isEmpty { use(head) }
    if sizeBytes == UInt64(head.count) { return }
    guard let file = FileHandle(forReadingAtPath: path) else { throw .notAFile(path: path) }
    while let piece = try? file.read(upToCount: OutputSpool.pieceBytes), !piece.isEmpty {
      use(Array(piece))
    }
  }

  private func drop() {
    if sizeBytes > UInt64(head.count) { try? Files.remove(path) }
    budget.leftBytes += head.count
    head = []
    sizeBytes = 0
  }
}
