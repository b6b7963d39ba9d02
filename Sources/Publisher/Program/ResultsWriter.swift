import Bundles
import Foundation
import Host

/// Results as they arrive, and their unpacking.
struct ResultsWriter {
  /// The run's folder, for the archives.
  let folder: String
  /// Where they are unpacked; nil leaves them as they are.
  let target: String?
  /// What a task's results are called: `worker` or `task`, then its number.
  let prefix: String

  private func name(_ task: UInt32) -> String { prefix + "-\(task)" }

  func archive(_ task: UInt32) -> String { folder + "/" + name(task) + ".tar" }

  func append(task: UInt32, offset: UInt64, _ bytes: [UInt8]) throws(HostError) {
    if offset == 0 { try Files.remove(archive(task)) }
    try Files.append(archive(task), bytes)
  }

  /// Puts the archive on the disk for good.
  func keep(task: UInt32) throws {
    // Of empty results no byte came.
    if !Files.exists(archive(task)) { try Files.append(archive(task), []) }
    let file = try FileHandle(forUpdating: URL(fileURLWithPath: archive(task)))
    try file.synchronize()
    try file.close()
  }

  // MARK: Unpacking

  /// There while an archive could not be unpacked: it is tried again when the run is taken up.
  private func mark(_ task: UInt32) -> String { folder + "/" + name(task) + ".packed" }

  func isUnwritten(task: UInt32) -> Bool { Files.exists(mark(task)) }

  /// Unpacks an archive, and keeps on the disk whether it has to be done again. Returns what was left out.
  /// An archive that was unpacked is removed.
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
