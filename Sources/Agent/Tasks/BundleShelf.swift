import Bytes
import Crypto
import Market
import Session

/// The bundles of a lease, by digest: requested when a task needs them, verified, and kept for the
/// lease's lifetime within its disk limit. To make room, the least recently used is evicted,
/// unreferenced ones first.
struct BundleShelf {
  private struct Pull {
    var stream: StreamId?
    var received: UInt64
    var hash: Sha256
    /// The requesting task was already charged for the transfer.
    var isRepeated: Bool
  }

  private enum State {
    case pulling(Pull)
    case held
  }

  private struct Entry {
    let ref: BundleRef
    var state: State
    var lastUse: UInt64
  }

  /// The result of received bytes.
  enum Receipt: Equatable {
    /// Stage the bytes; more follow.
    case part(digest: Bytes32)
    /// Stage the bytes; the bundle is complete and verified.
    case whole(digest: Bytes32)
    /// The bundle does not match its size or digest.
    case wrong(digest: Bytes32)
  }

  /// Flow control window of a bundle stream.
  static let window = 1 << 20
  /// Most concurrent downloads.
  static let mostPulls = 8

  private let limitBytes: UInt64
  private var entries: [Entry] = []
  private var clock: UInt64 = 0

  init(diskMiB: UInt32) { limitBytes = UInt64(diskMiB) << 20 }

  var usedBytes: UInt64 { entries.reduce(0) { $0 + $1.ref.sizeBytes } }
  var digests: [Bytes32] { entries.map { $0.ref.digest } }

  private func index(_ digest: Bytes32) -> Int? {
    entries.firstIndex { $0.ref.digest == digest }
  }

  private func index(_ stream: StreamId) -> Int? {
    entries.firstIndex { entry in
      if case .pulling(let pull) = entry.state { return pull.stream == stream }
      return false
    }
  }

  func isHeld(_ digest: Bytes32) -> Bool {
    guard let index = index(digest), case .held = entries[index].state else { return false }
    return true
  }

  func holdsAll(_ bundles: [BundleRef]) -> Bool { bundles.allSatisfy { isHeld($0.digest) } }

  /// Marks the bundles as used by a starting task.
  mutating func used(_ bundles: [BundleRef]) {
    clock += 1
    for index in entries.indices
    where bundles.contains(where: { $0.digest == entries[index].ref.digest }) {
      entries[index].lastUse = clock
    }
  }

  // MARK: Pulling

  /// Whether a download is in progress.
  var isPulling: Bool { pulls > 0 }

  private var pulls: Int {
    entries.reduce(0) { count, entry in
      if case .pulling(let pull) = entry.state, pull.stream != nil { return count + 1 }
      return count
    }
  }

  /// Evicts bundles to make room, as far as possible. Returns the digests of the evicted ones.
  ///
  /// - Parameters:
  ///   - pinned: bundles that must stay.
  ///   - referenced: bundles that tasks wait for; evicted last, and only if `mayEvict`.
  mutating func makeRoom(
    for ref: BundleRef, pinned: [Bytes32], referenced: [Bytes32], mayEvict: Bool
  ) -> [Bytes32] {
    if index(ref.digest) != nil || ref.sizeBytes > limitBytes { return [] }
    var dropped: [Bytes32] = []
    while usedBytes + ref.sizeBytes > limitBytes,
      let victim = victim(pinned, referenced, mayEvict)
    {
      dropped.append(entries.remove(at: victim).ref.digest)
    }
    return dropped
  }

  /// The offset at which to request a bundle; nil if it is here, in transfer, or does not fit now.
  ///
  /// - Parameter isRepeated: the requesting task was already charged for the transfer.
  mutating func want(_ ref: BundleRef, isRepeated: Bool) -> UInt64? {
    if pulls >= BundleShelf.mostPulls { return nil }
    if let index = index(ref.digest) {
      guard case .pulling(let pull) = entries[index].state, pull.stream == nil else { return nil }
      return pull.received
    }
    if usedBytes + ref.sizeBytes > limitBytes { return nil }
    clock += 1
    entries.append(
      Entry(
        ref: ref,
        state: .pulling(Pull(stream: nil, received: 0, hash: Sha256(), isRepeated: isRepeated)),
        lastUse: clock))
    return 0
  }

  /// The bundle to evict next: unreferenced before referenced, the least recently used first.
  private func victim(_ pinned: [Bytes32], _ referenced: [Bytes32], _ mayEvict: Bool) -> Int? {
    var best: Int?
    for index in entries.indices {
      let digest = entries[index].ref.digest
      if pinned.contains(digest) { continue }
      if case .pulling(let pull) = entries[index].state, pull.stream != nil { continue }
      let isReferenced = referenced.contains(digest)
      if isReferenced && !mayEvict { continue }
      guard let current = best else {
        best = index
        continue
      }
      let currentIsReferenced = referenced.contains(entries[current].ref.digest)
      if isReferenced != currentIsReferenced {
        if currentIsReferenced { best = index }
      } else if entries[index].lastUse < entries[current].lastUse {
        best = index
      }
    }
    return best
  }

  /// Sets the stream that transfers the bundle.
  mutating func opened(_ digest: Bytes32, _ stream: StreamId) {
    guard let index = index(digest), case .pulling(var pull) = entries[index].state else { return }
    pull.stream = stream
    entries[index].state = .pulling(pull)
  }

  func brings(_ stream: StreamId) -> Bool { index(stream) != nil }

  /// Handles received bytes; nil for an unrelated stream. `uncharged` counts bytes whose transfer
  /// was already charged.
  mutating func received(
    _ bytes: [UInt8], on stream: StreamId
  ) -> (receipt: Receipt, wanted: Int, uncharged: UInt64)? {
    guard let index = index(stream), case .pulling(var pull) = entries[index].state else {
      return nil
    }
    let ref = entries[index].ref
    let uncharged = pull.isRepeated ? UInt64(bytes.count) : 0
    if UInt64(bytes.count) > ref.sizeBytes - pull.received {
      entries.remove(at: index)
      return (.wrong(digest: ref.digest), 0, uncharged)
    }
    pull.received += UInt64(bytes.count)
    pull.hash.update(bytes)
    if pull.received < ref.sizeBytes {
      entries[index].state = .pulling(pull)
      return (
        .part(digest: ref.digest),
        Int(min(UInt64(bytes.count), ref.sizeBytes - pull.received)), uncharged
      )
    }
    if pull.hash.finish() != ref.digest {
      entries.remove(at: index)
      return (.wrong(digest: ref.digest), 0, uncharged)
    }
    entries[index].state = .held
    return (.whole(digest: ref.digest), 0, uncharged)
  }

  /// The stream ended early. Returns the bundle's digest.
  mutating func failed(_ stream: StreamId) -> Bytes32? {
    guard let index = index(stream) else { return nil }
    return entries.remove(at: index).ref.digest
  }

  mutating func lost(_ digest: Bytes32) { entries.removeAll { $0.ref.digest == digest } }

  /// The connection broke; received bytes are kept.
  mutating func disconnected() {
    for index in entries.indices {
      guard case .pulling(var pull) = entries[index].state else { continue }
      pull.stream = nil
      entries[index].state = .pulling(pull)
    }
  }
}
