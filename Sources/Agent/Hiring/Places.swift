import Bytes
import Market

/// The shares held by leases; their sum stays within the owner's limits. A signed contract holds
/// its share briefly without a funding: at most one per publisher and per host, and at most a
/// quarter of the places, at least one.
struct Places {
  let limits: ShareLimits
  let maxLeases: Int

  private struct Holder {
    let lease: LeaseKey
    let share: ShareLimits
    let publisher: Bytes32
    let host: [UInt8]
    var isFunded: Bool
  }

  private var holders: [Holder] = []

  init(limits: ShareLimits, maxLeases: Int) {
    self.limits = limits
    self.maxLeases = maxLeases
  }

  var count: Int { holders.count }
  var isFull: Bool { holders.count >= maxLeases }

  /// Returns why `share` is not available; nil if it is. Shares of `leaving` leases count as free.
  func refusal(_ share: ShareLimits, leaving: [LeaseKey] = []) -> Refusal? {
    var memoryMiB = UInt64(share.memoryMiB)
    var milliCpus = UInt64(share.milliCpus)
    var pids = UInt64(share.pids)
    var diskMiB = UInt64(share.diskMiB)
    var count = 1
    for holder in holders where !leaving.contains(holder.lease) {
      memoryMiB += UInt64(holder.share.memoryMiB)
      milliCpus += UInt64(holder.share.milliCpus)
      pids += UInt64(holder.share.pids)
      diskMiB += UInt64(holder.share.diskMiB)
      count += 1
    }
    if count > maxLeases {
      return Refusal(.busy, "all \(maxLeases) places of this provider are in use")
    }
    if memoryMiB > UInt64(limits.memoryMiB) || milliCpus > UInt64(limits.milliCpus)
      || pids > UInt64(limits.pids) || diskMiB > UInt64(limits.diskMiB)
    {
      return Refusal(.busy, "other leases hold too much of this host")
    }
    return nil
  }

  /// Returns why an unfunded contract may not hold a place; nil if it may.
  func unfundedRefusal(publisher: Bytes32, host: [UInt8]) -> Refusal? {
    var unfunded = 0
    for holder in holders where !holder.isFunded {
      if holder.publisher == publisher || holder.host == host {
        return Refusal(.busy, "another contract of this publisher or address is not funded yet")
      }
      unfunded += 1
    }
    if unfunded >= max(1, maxLeases / 4) {
      return Refusal(.busy, "\(unfunded) contracts are not funded yet; try again in a minute")
    }
    return nil
  }

  mutating func take(
    _ lease: LeaseKey, _ share: ShareLimits, publisher: Bytes32, host: [UInt8], isFunded: Bool
  ) {
    release(lease)
    holders.append(
      Holder(
        lease: lease, share: share, publisher: publisher, host: host, isFunded: isFunded))
  }

  mutating func funded(_ lease: LeaseKey) {
    for index in holders.indices where holders[index].lease == lease {
      holders[index].isFunded = true
    }
  }

  func holds(_ lease: LeaseKey) -> Bool { holders.contains { $0.lease == lease } }

  mutating func release(_ lease: LeaseKey) { holders.removeAll { $0.lease == lease } }
}
