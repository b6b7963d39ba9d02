import Bitcoin
import Bytes

/// Relays the client's own transactions until they are in the chain, and again when they fall out
/// of it.
///
/// BIP339 (announcement by witness id) where a peer speaks it.
struct Broadcaster {
  /// Announced again after this time, and a random part of it more.
  static let repeatMs: UInt64 = 60_000
  /// With more, those that are confirmed go. One that is not is the client's own money: it stays.
  static let maxTransactions = 128

  private struct Entry {
    let transaction: Transaction
    let txid: Bytes32
    let wtxid: Bytes32
    /// The script by which its block is noticed; nil where it pays to none.
    let marker: [UInt8]?
    var confirmedHeight: UInt32?
    var announced: [(to: PeerId, atMs: UInt64)] = []
    var fetchedBy: [PeerId] = []
    var repeatAtMs: UInt64 = 0
  }

  /// What a block says about the transactions.
  enum News {
    case confirmed(Bytes32)
    case conflicted(Bytes32, by: Bytes32)
  }

  private var entries: [Entry] = []

  /// The transaction that has to be forgotten for another one; nil while there is room.
  var surplus: Bytes32? {
    if entries.count < Broadcaster.maxTransactions { return nil }
    for entry in entries where entry.confirmedHeight != nil { return entry.txid }
    return nil
  }

  /// Returns the script to be watched, so that the confirmation is seen.
  mutating func add(_ transaction: Transaction) -> [UInt8]? {
    let txid = transaction.txid
    for entry in entries where entry.txid == txid { return entry.marker }
    var marker: [UInt8]?
    for output in transaction.outputs
    where marker == nil && !output.scriptPubKey.isEmpty && !Script.isOpReturn(output.scriptPubKey) {
      marker = output.scriptPubKey
    }
    entries.append(
      Entry(transaction: transaction, txid: txid, wtxid: transaction.wtxid, marker: marker))
    return marker
  }

  /// Returns the script that need no longer be watched for this transaction.
  mutating func remove(_ txid: Bytes32) -> [UInt8]? {
    guard let index = entries.firstIndex(where: { $0.txid == txid }) else { return nil }
    let marker = entries.remove(at: index).marker
    for entry in entries where entry.marker == marker { return nil }
    return marker
  }

  /// How many peers have asked for the transaction; nil when it is not being relayed.
  func relayedTo(_ txid: Bytes32) -> Int? {
    for entry in entries where entry.txid == txid { return entry.fetchedBy.count }
    return nil
  }

  mutating func pump(_ shared: inout Shared) {
    for entry in entries.indices where entries[entry].confirmedHeight == nil {
      if entries[entry].repeatAtMs <= shared.nowMs {
        entries[entry].announced = []
        entries[entry].repeatAtMs =
          shared.nowMs + Broadcaster.repeatMs + shared.random.next(below: Broadcaster.repeatMs)
      }
      for index in shared.peers.indices {
        let peer = shared.peers[index]
        if !peer.isReady || !peer.relaysTransactions { continue }
        if entries[entry].announced.contains(where: { $0.to == peer.id }) { continue }
        entries[entry].announced.append((peer.id, shared.nowMs))
        let item =
          peer.usesWitnessIds
          ? InventoryVector(kind: InventoryVector.Kind.witnessId, hash: entries[entry].wtxid)
          : InventoryVector(kind: InventoryVector.Kind.transaction, hash: entries[entry].txid)
        shared.send(.inv([item]), to: index)
      }
    }
  }

  /// A peer asks for something: true when it is a transaction of ours, which it then gets.
  mutating func requested(
    _ item: InventoryVector, _ index: Int, _ shared: inout Shared
  ) -> Bool {
    let isWitnessId = item.kind == InventoryVector.Kind.witnessId
    guard
      let entry = entries.firstIndex(where: {
        isWitnessId ? $0.wtxid == item.hash : $0.txid == item.hash
      })
    else { return false }
    shared.send(.transaction(entries[entry].transaction), to: index)
    let id = shared.peers[index].id
    if !entries[entry].fetchedBy.contains(id) {
      entries[entry].fetchedBy.append(id)
      shared.outbox.push(
        .transactionRelayed(txid: entries[entry].txid, peers: entries[entry].fetchedBy.count))
    }
    return true
  }

  func isOurs(_ hash: Bytes32) -> Bool {
    for entry in entries where entry.txid == hash || entry.wtxid == hash { return true }
    return false
  }

  // MARK: Blocks

  mutating func connected(_ block: Block, height: UInt32) -> [News] {
    var news: [News] = []
    if entries.isEmpty { return news }
    for transaction in block.transactions {
      for index in entries.indices where entries[index].confirmedHeight == nil {
        if !sharesInput(transaction, entries[index].transaction) { continue }
        let txid = transaction.txid
        if txid == entries[index].txid {
          entries[index].confirmedHeight = height
          news.append(.confirmed(txid))
        } else {
          news.append(.conflicted(entries[index].txid, by: txid))
        }
      }
    }
    return news
  }

  private func sharesInput(_ left: Transaction, _ right: Transaction) -> Bool {
    for input in left.inputs {
      for other in right.inputs where other.previous == input.previous { return true }
    }
    return false
  }

  mutating func reorganised(forkHeight: UInt32) {
    for index in entries.indices {
      guard let height = entries[index].confirmedHeight, height > forkHeight else { continue }
      entries[index].confirmedHeight = nil
      entries[index].announced = []
      entries[index].repeatAtMs = 0
    }
  }

  func deadlineMs(_ shared: Shared) -> UInt64 {
    var deadline = UInt64.max
    if shared.readyCount == 0 { return deadline }
    for entry in entries where entry.confirmedHeight == nil {
      deadline = min(deadline, entry.repeatAtMs)
    }
    return deadline
  }
}
