import Bytes
import Crypto
import Market
import Session

/// The bundles of a lease, by digest: asked for when a task needs them, checked, and kept for the life of
/// the lease within its disk share. Where room is needed the one used least recently goes, unreferenced
/// ones first.
struct BundleShelf {
  private struct Pull {
    var stream: StreamId?
    var received: UInt64
    var hash: Sha256
    /// The task that asked for it was charged for it before.
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

  /// What became of bytes that came.
  enum Receipt: Equatable {
    /// To be staged; more is wanted.
    case part(digest: Bytes32)
    /// To be staged: the bundle is whole and right.
    case whole(digest: Bytes32)
    /// It is not what its digest says.
    case wrong(digest: Bytes32)
  }

  /// Bytes that the publisher may send before this machine grants more.
  static let window = 1 << 20
  /// At a time.
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

  /// A task starts with these.
  mutating func used(_ bundles: [BundleRef]) {
    clock += 1
    for index in entries.indices
    where bundles.contains(where: { $0.digest == entries[index].ref.digest }) {
      entries[index].lastUse = clock
    }
  }

  // MARK: Pulling

  /// Whether a bundle is on its way.
  var isPulling: Bool { pulls > 0 }

  private var pulls: Int {
    entries.reduce(0) { count, entry in
      if case .pulling(let pull) = entry.state, pull.stream != nil { return count + 1 }
      return count
    }
  }

  /// Makes room for a bundle, as far as that can be: gives the digests of those that went for it.
  ///
  /// - Parameters:
  ///   - pinned: bundles that must stay.
  ///   - referenced: those that tasks wait for, which go last, and only where `mayEvict`.
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

  /// The place from which on a bundle is to be asked for; nil where it is here, on its way, or there is
  /// no room now.
  ///
  /// - Parameter isRepeated: the task that asks was charged for its transfer before.
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

  /// The bundle to go next: unreferenced, then referenced, each the one used least recently.
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

  /// The stream that brings it.
  mutating func opened(_ digest: Bytes32, _ stream: StreamId) {
    guard let index = index(digest), case .pulling(var pull) = entries[index].state else { return }
    pull.stream = stream
    entries[index].state = .pulling(pull)
  }

  func brings(_ stream: StreamId) -> Bool { index(stream) != nil }

  /// Bytes came; nil for a stream that brings no bundle. `uncharged` are bytes whose transfer was charged
  /// before.
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

  /// The publisher gave the stream up, or ended it early: gives the bundle's digest.
  mutating func failed(_ stream: StreamId) -> Bytes32? {
    guard let index = index(stream) else { return nil }
    return entries.remove(at: index).ref.digest
  }

  mutating func lost(_ digest: Bytes32) { entries.removeAll { $0.ref.digest == digest } }

  /// The streams went with the connection: what came of them stays.
  mutating func disconnected() {
    for index in entries.indices {
      guard case .pulling(var pull) = entries[index].state else { continue }
      pull.stream = nil
      entries[index].state = .pulling(pull)
    }
  }
}
