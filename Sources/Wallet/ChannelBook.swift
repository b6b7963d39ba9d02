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

  /// The oldest funding first, unconfirmed ones last.
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

  /// What stands between the wallet and these coins is the provider's word or the expiry.
  var locked: [LockedChannel] { sorted.filter { $0.spend == nil } }

  /// Those whose coins may still move, reorganisations of `depth` blocks included.
  func live(scannedHeight: UInt32, depth: UInt32) -> [LockedChannel] {
    sorted.filter { channel in
      guard let height = channel.spend?.height else { return true }
      return UInt64(height) + UInt64(depth) > UInt64(scannedHeight)
    }
  }

  // MARK: What happened

  /// True when the channel was not known.
  mutating func add(_ channel: LockedChannel) -> Bool {
    if channels[channel.outPoint] != nil { return false }
    channels[channel.outPoint] = channel
    return true
  }

  /// The wallet made this transaction, or a block at `height` holds it.
  mutating func note(_ transaction: Transaction, txid: Bytes32, height: UInt32?) {
    if channels.isEmpty { return }
    for index in transaction.outputs.indices {
      let outPoint = OutPoint(txid: txid, index: UInt32(index))
      if let height, channels[outPoint] != nil { channels[outPoint]?.fundingHeight = height }
    }
    for input in transaction.inputs {
      guard let channel = channels[input.previous] else { continue }
      if channel.spend?.txid == txid && height == nil { continue }
      // A close never has a lock time; a refund cannot do without one.
      let isRefund = transaction.lockTime != 0
      channels[input.previous]?.spend = LockedChannel.Spend(
        kind: isRefund ? .refund : .close, txid: txid, height: height)
    }
  }

  /// These transactions will never confirm.
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

  /// The blocks at `height` and above left the chain. Closes of others are unproven again; those
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
