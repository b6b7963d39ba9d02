import Bytes
import Crypto
import Foundation
import Host
import Market

/// The bundles of a run, in files named by digest. Providers read them in pieces, and a resumed run
/// finds them again; they are not kept in memory.
final class BundleStore {
  private struct Entry {
    var sizeBytes: UInt64
    var users: Int
  }

  private var folder: String?
  private var entries: [Bytes32: Entry] = [:]
  /// The last file read stays open, because a bundle is read sequentially.
  private var open: (digest: Bytes32, file: Descriptor)?

  /// Creates the folder and registers existing bundles, each with one user that is never dropped.
  func use(_ folder: String) throws(HostError) {
    self.folder = folder
    try Files.makeFolder(folder)
    for name in try Files.list(folder) {
      guard let bytes = Hex.decode(String(name.prefix { $0 != "." })),
        let digest = Bytes32(exactly: bytes), let status = try Files.status(folder + "/" + name)
      else { continue }
      entries[digest] = Entry(sizeBytes: status.sizeBytes, users: 1)
    }
  }

  private func path(_ digest: Bytes32) -> String? {
    folder.map { $0 + "/" + digest.hex + ".tar.zst" }
  }

  /// Stores a bundle durably, or adds a user to an existing one.
  func add(_ bytes: [UInt8]) throws(HostError) -> BundleRef {
    let digest = Sha256.hash(bytes)
    if entries[digest] == nil, let path = path(digest) {
      try Files.writeAtomically(path, bytes)
      entries[digest] = Entry(sizeBytes: UInt64(bytes.count), users: 0)
    }
    entries[digest]?.users += 1
    return BundleRef(digest: digest, sizeBytes: UInt64(bytes.count))
  }

  /// Removes a user; removes the file with the last one.
  func drop(_ digest: Bytes32) throws(HostError) {
    guard var entry = entries[digest], let path = path(digest) else { return }
    entry.users -= 1
    entries[digest] = entry.users > 0 ? entry : nil
    if entry.users > 0 { return }
    if open?.digest == digest { open = nil }
    try Files.remove(path)
  }

  /// Reads at most `count` bytes at `offset`; nil if the bundle is missing or unreadable.
  func read(_ digest: Bytes32, offset: UInt64, count: Int) -> [UInt8]? {
    guard let entry = entries[digest], let path = path(digest) else { return nil }
    if offset >= entry.sizeBytes { return [] }
    if open?.digest != digest {
      let fd = Foundation.open(path, O_RDONLY | O_CLOEXEC)
      if fd < 0 { return nil }
      open = (digest, Descriptor(owning: fd))
    }
    guard let file = open?.file else { return nil }
    let wanted = Int(min(UInt64(max(count, 0)), entry.sizeBytes - offset))
    var bytes = [UInt8](repeating: 0, count: wanted)
    let got = pread(file.fd, &bytes, wanted, off_t(offset))
    if got < 0 || (got == 0 && wanted > 0) { return nil }
    bytes.removeLast(wanted - got)
    return bytes
  }
}
