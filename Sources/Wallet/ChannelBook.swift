import Bitcoin
import Bytes
import Channel

/// The channels that the wallet funded, open and closed.
struct ChannelBook: Sendable {
  private(set) var channels: [OutPoint: LockedChannel] = [:]

  init() {}
  init(_ channels: [LockedChannel]) {
    for channel in channels { self.channels[channel.outPoint] = channel }
  }

  /// The channels, oldest funding first, unconfirmed ones last.
  var sorted: [LockedChannel] {
    channels.values.sorted { left, right in
      let heights = (left.fundingHeight ?? UInt32.max, right.fundingHeight ?? UInt32.max)
      if heights.0 != heights.1 { return heights.0 < heights.1 }
      if left.outPoint.txid != right.outPoint.txid {
        return left.outPoint.txid < right.outPoint.txid
      }
      return left.outPoint.index < right.outPoint.index
    }
  }

  /// Channels with unspent coins, which only a close or the expiry releases.
  var locked: [LockedChannel] { sorted.filter { $0.spend == nil } }

  /// Channels whose coins may still move, reorganisations of `depth` blocks included.
  func live(scannedHeight: UInt32, depth: UInt32) -> [LockedChannel] {
    sorted.filter { channel in
      guard let height = channel.spend?.height else { return true }
      return UInt64(height) + UInt64(depth) > UInt64(scannedHeight)
    }
  }

  // MARK: Events

  /// Returns false if the channel was known already.
  mutating func add(_ channel: LockedChannel) -> Bool {
    if channels[channel.outPoint] != nil { return false }
    channels[channel.outPoint] = channel
    return true
  }

  /// Records a transaction that the wallet made, or that the block at `height` holds.
  mutating func note(_ transaction: Transaction, txid: Bytes32, height: UInt32?) {
    if channels.isEmpty { return }
    for index in transaction.outputs.indices {
      let outPoint = OutPoint(txid: txid, index: UInt32(index))
      if let height, channels[outPoint] != nil { channels[outPoint]?.fundingHeight = height }
    }
    for input in transaction.inputs {
      guard let channel = channels[input.previous] else { continue }
      if channel.spend?.txid == txid && height == nil { continue }
      // A close has no lock time; a refund must have one.
      let isRefund = transaction.lockTime != 0
      channels[input.previous]?.spend = LockedChannel.Spend(
        kind: isRefund ? .refund : .close, txid: txid, height: height)
    }
  }

  /// Removes transactions that will never confirm.
  mutating func drop(_ txids: Set<Bytes32>) {
    if txids.isEmpty { return }
    for (outPoint, channel) in channels {
      if txids.contains(outPoint.txid) {
        channels[outPoint] = nil
      } else if let spend = channel.spend, txids.contains(spend.txid) {
        channels[outPoint]?.spend = nil
      }
    }
  }

  /// The blocks at `height` and above left the chain. Closes by others are unconfirmed again; those
  /// that the wallet relays itself (`isRelayed`) wait for a block.
  mutating func disconnected(height: UInt32, isRelayed: (Bytes32) -> Bool) {
    for (outPoint, channel) in channels {
      if let made = channel.fundingHeight, made >= height {
        channels[outPoint]?.fundingHeight = nil
      }
      guard let spend = channel.spend, let spent = spend.height, spent >= height else { continue }
      if isRelayed(spend.txid) {
        channels[outPoint]?.spend?.height = nil
      } else {
        channels[outPoint]?.spend = nil
      }
    }
  }
}
