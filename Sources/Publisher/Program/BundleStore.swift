import Bytes
import Crypto
import Foundation
import Host
import Market

/// The bundles of a run, in files named by their digests: machines pull them piece by piece, and a run
/// that is taken up finds them again. Memory does not grow with them.
final class BundleStore {
  private struct Entry {
    var sizeBytes: UInt64
    var users: Int
  }

  private var folder: String?
  private var entries: [Bytes32: Entry] = [:]
  /// The file that was read last stays open: a machine pulls one bundle from front to back.
  private var open: (digest: Bytes32, file: Descriptor)?

  /// Makes the folder, and takes up what is in it: each bundle with one user that never goes.
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

  /// Stores a bundle durably, or counts one more user of the one that is here already.
  func add(_ bytes: [UInt8]) throws(HostError) -> BundleRef {
    let digest = Sha256.hash(bytes)
    if entries[digest] == nil, let path = path(digest) {
      try Files.writeAtomically(path, bytes)
      entries[digest] = Entry(sizeBytes: UInt64(bytes.count), users: 0)
    }
    entries[digest]?.users += 1
    return BundleRef(digest: digest, sizeBytes: UInt64(bytes.count))
  }

  /// One user less; the last one takes the file with it.
  func drop(_ digest: Bytes32) throws(HostError) {
    guard var entry = entries[digest], let path = path(digest) else { return }
    entry.users -= 1
    entries[digest] = entry.users > 0 ? entry : nil
    if entry.users > 0 { return }
    if open?.digest == digest { open = nil }
    try Files.remove(path)
  }

  /// At most `count` bytes from `offset` on; nil where the bundle is not here or cannot be read.
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
