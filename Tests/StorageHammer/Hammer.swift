import Bytes
import Foundation
import Storage

/// Writes to a database until it is killed, and says on standard output what was committed: the
/// subject of the crash tests. `storage-hammer channel|headers PATH [RECORD COUNT]`: with a record of
/// what is written (``RecordedFiles``) it ends by itself after so many commits.
@main
enum Hammer {
  static func main() throws {
    let arguments = CommandLine.arguments
    if arguments.count > 4 {
      RecordedFiles.begin(arguments[3])
      commits = Int(arguments[4]) ?? 0
    }
    switch arguments[1] {
    case "channel": try payments(arguments[2])
    case "headers": try headers(arguments[2])
    default: break
    }
  }

  /// How many are still to be made before the program ends; without end where it is to be killed.
  nonisolated(unsafe) private static var commits = Int.max
  /// The log is emptied now and then, as the programs do it.
  private static let commitsBetweenCheckpoints = 17

  private static func goesOn(_ database: Database) throws -> Bool {
    if commits == Int.max { return true }
    commits -= 1
    if commits % commitsBetweenCheckpoints == 0 { try database.checkpoint() }
    return commits > 0
  }

  /// One contract, one payment after another. A line is printed after its commit only.
  static func payments(_ path: String) throws {
    let ledger = try Ledger(path: path)
    let contract = Bytes32([UInt8](repeating: 7, count: 32))
    if try ledger.channels.load(contract) == nil {
      try ledger.channels.open(contract, state: state(0), unixSeconds: 0)
    }
    var sequence = try ledger.channels.load(contract)?.sequence ?? 0
    while true {
      sequence += 1
      try ledger.channels.update(
        contract, sequence: sequence, amountSat: sequence * 10, state: state(sequence),
        unixSeconds: sequence)
      tell(sequence)
      if try !goesOn(ledger.database) { return }
    }
  }

  /// As long as a payment with its signatures, and different each time.
  static func state(_ sequence: UInt64) -> [UInt8] {
    (0..<600).map { UInt8(truncatingIfNeeded: sequence &* 31 &+ UInt64($0)) }
  }

  /// Batches of 50 headers with their filter headers, and now and then the oldest dropped.
  static func headers(_ path: String) throws {
    let cache = try ChainCache(path: path)
    var height = try cache.headers.nextHeight() ?? 100
    while true {
      let heights = height..<(height + 50)
      try cache.transaction { () throws(StorageError) in
        try cache.headers.store(
          fromHeight: height, heights.flatMap { header($0) }, workBefore: work(height))
        try cache.headers.storeFilterHeaders(fromHeight: height, heights.map { filter($0) })
        if height > 1000 {
          try cache.headers.drop(belowHeight: height - 500, workBefore: work(height - 500))
        }
      }
      height += 50
      tell(UInt64(height))
      if try !goesOn(cache.database) { return }
    }
  }

  static func header(_ height: UInt32) -> [UInt8] {
    (0..<80).map { UInt8(truncatingIfNeeded: height &* 7 &+ UInt32($0)) }
  }

  static func filter(_ height: UInt32) -> Bytes32 {
    Bytes32((0..<32).map { UInt8(truncatingIfNeeded: height &* 13 &+ UInt32($0)) })
  }

  static func work(_ height: UInt32) -> [UInt8] {
    (0..<32).map { UInt8(truncatingIfNeeded: height >> UInt32($0 % 4 * 8)) }
  }

  static func tell(_ number: UInt64) {
    RecordedFiles.note(.told, at: Int64(number))
    FileHandle.standardOutput.write(Data("\(number)\n".utf8))
  }
}
