import Bytes
import Market
import Session

/// Downloads the bundles that a lease's tasks wait for, in task order.
final class BundlePuller {
  private let lease: LeaseKey
  private let call: Call
  private let account: Account
  private let context: AgentContext
  private var shelf: BundleShelf

  init(
    _ lease: LeaseKey, _ share: ShareLimits, call: Call, account: Account, context: AgentContext
  ) {
    self.lease = lease
    self.call = call
    self.account = account
    self.context = context
    shelf = BundleShelf(diskMiB: share.diskMiB)
  }

  func holdsAll(_ bundles: [BundleRef]) -> Bool { shelf.holdsAll(bundles) }
  var isPulling: Bool { shelf.isPulling }
  func used(_ bundles: [BundleRef]) { shelf.used(bundles) }
  func disconnected() { shelf.disconnected() }
  func lost(_ digest: Bytes32) { shelf.lost(digest) }

  /// Requests missing bundles, as far as there is room.
  func pull(_ table: TaskTable) {
    if !call.isReady { return }
    var pinned: [Bytes32] = []
    var referenced: [Bytes32] = []
    var isFirst = true
    for task in table.tasks where task.isStarting || task.isQueued {
      guard let order = task.order else { continue }
      for bundle in order.bundles {
        if task.isStarting || isFirst { pinned.append(bundle.digest) }
        referenced.append(bundle.digest)
      }
      if task.isQueued { isFirst = false }
    }
    isFirst = true
    for task in table.tasks where task.isQueued {
      guard let order = task.order else { continue }
      for bundle in order.bundles where !shelf.isHeld(bundle.digest) {
        if !pull(bundle, of: task, pinned, referenced, mayEvict: isFirst) { return }
      }
      isFirst = false
    }
  }

  /// Returns false if no further bundle can be requested now.
  private func pull(
    _ bundle: BundleRef, of task: LeaseTask, _ pinned: [Bytes32], _ referenced: [Bytes32],
    mayEvict: Bool
  ) -> Bool {
    let dropped = shelf.makeRoom(
      for: bundle, pinned: pinned, referenced: referenced, mayEvict: mayEvict)
    for digest in dropped { context.emit(.dropBundle(lease, digest: digest)) }
    let isRepeated = task.charged.contains(bundle.digest)
    guard let offset = shelf.want(bundle, isRepeated: isRepeated) else { return true }
    let window = Int(min(UInt64(BundleShelf.window), bundle.sizeBytes - offset))
    guard
      let stream = call.open(
        StreamOpening(kind: .fileIn, key: bundle.digest, receiveOffset: offset), window: window)
    else { return false }
    shelf.opened(bundle.digest, stream)
    if !isRepeated { task.charged.append(bundle.digest) }
    return true
  }

  /// Handles bytes of a bundle stream; `isTaken` is false for an unrelated stream. `wrong` is the
  /// digest of a bundle that does not match it.
  func received(_ bytes: [UInt8], on stream: StreamId) -> (isTaken: Bool, wrong: Bytes32?) {
    guard let (receipt, wanted, uncharged) = shelf.received(bytes, on: stream) else {
      return (false, nil)
    }
    account.uncharge(uncharged)
    switch receipt {
    case .part(let digest):
      context.emit(.stageBundle(lease, digest: digest, bytes))
      call.grant(stream, wanted)
    case .whole(let digest):
      context.emit(.stageBundle(lease, digest: digest, bytes))
      call.endStream(stream)
    case .wrong(let digest):
      context.emit(.dropBundle(lease, digest: digest))
      call.resetStream(stream)
      context.warning("bundle " + digest.hex + ": the publisher's bytes do not match the digest")
      return (true, digest)
    }
    return (true, nil)
  }

  /// The publisher gave up the stream. Returns the bundle's digest; nil for an unrelated stream.
  func failed(_ stream: StreamId) -> Bytes32? {
    guard let digest = shelf.failed(stream) else { return nil }
    context.emit(.dropBundle(lease, digest: digest))
    context.warning("bundle " + digest.hex + ": the publisher gave up sending it")
    return digest
  }
}
