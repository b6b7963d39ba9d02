import Bytes
import Crypto
import Foundation
import Host
import Testing

@testable import Publisher

/// A run's bundles, by digest.
struct BundleStoreTests {
  private let folder = NSTemporaryDirectory() + "zennet-bundles-\(UUID().uuidString)"
  private func remove() { try? FileManager.default.removeItem(atPath: folder) }

  @Test func piecesComeFromAnyPlace() throws {
    defer { remove() }
    let store = BundleStore()
    try store.use(folder)
    let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * 7 + $0 >> 8) }
    let ref = try store.add(bytes)
    #expect(ref.digest == Sha256.hash(bytes) && ref.sizeBytes == 100_000)
    let other = try store.add([1, 2, 3])
    var read: [UInt8] = []
    while let piece = store.read(ref.digest, offset: UInt64(read.count), count: 9_999),
      !piece.isEmpty
    {
      read += piece
      #expect(store.read(other.digest, offset: 1, count: 9) == [2, 3])
    }
    #expect(read == bytes)
    #expect(store.read(.zero, offset: 0, count: 1) == nil)
    #expect(store.read(ref.digest, offset: 1 << 40, count: 1) == [])
    #expect(store.read(ref.digest, offset: 0, count: -1) == [])
  }

  @Test func theLastUserTakesTheFileAlong() throws {
    defer { remove() }
    let store = BundleStore()
    try store.use(folder)
    let ref = try store.add([7])
    #expect(try store.add([7]) == ref)
    try store.drop(ref.digest)
    #expect(store.read(ref.digest, offset: 0, count: 1) == [7])
    try store.drop(ref.digest)
    #expect(store.read(ref.digest, offset: 0, count: 1) == nil)
    #expect(try Files.list(folder).isEmpty)
    try store.drop(ref.digest)
  }

  @Test func aRunThatIsTakenUpFindsThem() throws {
    defer { remove() }
    let first = BundleStore()
    try first.use(folder)
    let ref = try first.add([7, 8])
    try Files.writeAtomically(folder + "/other", [1])
    let second = BundleStore()
    try second.use(folder)
    #expect(second.read(ref.digest, offset: 1, count: 5) == [8])
    // A further user does not take what the run itself needs.
    _ = try second.add([7, 8])
    try second.drop(ref.digest)
    #expect(second.read(ref.digest, offset: 0, count: 5) == [7, 8])
    // A file that is gone is no bundle.
    try Files.remove(folder + "/" + ref.digest.hex + ".tar.zst")
    let third = BundleStore()
    try third.use(folder)
    #expect(third.read(ref.digest, offset: 0, count: 1) == nil)
  }
}
