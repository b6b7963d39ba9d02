import Bytes
import Market
import Session

/// Serves bundles to a lease's provider. Only bundles of tasks that were sent to it are available.
final class BundleServer {
  private struct Transfer {
    let digest: Bytes32
    let size: UInt64
    var offset: UInt64
  }

  private let link: LeaseLink
  private let read: BundleReader
  private var transfers: [StreamId: Transfer] = [:]
  private var references: [Bytes32: (size: UInt64, tasks: Int)] = [:]

  /// Most concurrent transfers.
  private static let limit = 32
  private static let pieceBytes = 65_536

  init(_ link: LeaseLink, _ read: @escaping BundleReader) {
    self.link = link
    self.read = read
  }

  var isBusy: Bool { !transfers.isEmpty }

  func retain(_ bundles: [BundleRef]) {
    for bundle in bundles {
      references[bundle.digest] = (
        bundle.sizeBytes, (references[bundle.digest]?.tasks ?? 0) + 1
      )
    }
  }

  func release(_ bundles: [BundleRef]) {
    for bundle in bundles {
      guard let held = references[bundle.digest] else { continue }
      references[bundle.digest] = held.tasks > 1 ? (held.size, held.tasks - 1) : nil
    }
  }

  /// The provider requests a bundle.
  func opened(_ id: StreamId, _ opening: StreamOpening) {
    guard let held = references[opening.key], opening.receiveOffset <= held.size,
      transfers.count < BundleServer.limit
    else { return link.resetStream(id) }
    transfers[id] = Transfer(
      digest: opening.key, size: held.size, offset: opening.receiveOffset)
    pump(id)
  }

  /// Sends as much as flow control allows. Returns false for an unrelated stream.
  @discardableResult
  func pump(_ id: StreamId) -> Bool {
    guard var transfer = transfers[id] else { return false }
    while transfer.offset < transfer.size {
      let wanted = Int(min(transfer.size - transfer.offset, UInt64(BundleServer.pieceBytes)))
      guard let piece = read(transfer.digest, transfer.offset, wanted), !piece.isEmpty,
        piece.count <= wanted
      else {
        transfers[id] = nil
        link.resetStream(id)
        return true
      }
      let taken = link.send(id, piece)
      transfer.offset += UInt64(taken)
      if taken < piece.count {
        transfers[id] = transfer
        return true
      }
    }
    transfers[id] = nil
    link.endStream(id)
    return true
  }

  func closed(_ id: StreamId) { transfers[id] = nil }
  func disconnected() { transfers = [:] }
}
