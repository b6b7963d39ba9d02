import Bundles
import Foundation
import Host

/// Stores result archives and unpacks them.
struct ResultsWriter {
  /// The run's folder, for the archives.
  let folder: String
  /// Where they are unpacked; nil keeps the archives.
  let target: String?
  /// The prefix of a result's name: `worker` or `task`, then the number.
  let prefix: String

  private func name(_ task: UInt32) -> String { prefix + "-\(task)" }

  func archive(_ task: UInt32) -> String { folder + "/" + name(task) + ".tar" }

  func append(task: UInt32, offset: UInt64, _ bytes: [UInt8]) throws(HostError) {
    if offset == 0 { try Files.remove(archive(task)) }
    try Files.append(archive(task), bytes)
  }

  /// Makes the archive durable.
  func keep(task: UInt32) throws {
    // Empty results have no file yet.
    if !Files.exists(archive(task)) { try Files.append(archive(task), []) }
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: archive(task)))
    try file.synchronize()
    try file.close()
  }

  // MARK: Unpacking

  /// A marker file of an archive that could not be unpacked; a resumed run tries again.
  private func mark(_ task: UInt32) -> String { folder + "/" + name(task) + ".packed" }

  func isUnwritten(task: UInt32) -> Bool { Files.exists(mark(task)) }

  /// Unpacks an archive and removes it. On failure, leaves the marker file. Returns what was left
  /// out.
  func write(task: UInt32, limitBytes: UInt64) throws -> LeftOut {
    guard let target else { return LeftOut() }
    do {
      let leftOut = try ArchiveUnpacker.unpack(
        archive(task), to: target + "/" + name(task), limitBytes: limitBytes)
      try Files.remove(mark(task))
      return leftOut
    } catch {
      try? Files.writeAtomically(mark(task), [])
      throw error
    }
  }
}
