import Bitcoin
import Bytes

/// Which address is dialled, when seeds are resolved, and what is stored.
extension AddressBook {
  private var busyCount: Int {
    var count = 0
    for entry in entries where entry.isBusy { count += 1 }
    return count
  }

  private func target(_ shared: Shared) -> Int {
    max(1, min(16, shared.configuration.targetPeers))
  }

  mutating func pump(_ shared: inout Shared) {
    for index in entries.indices where entries[index].isDialling {
      if shared.nowMs >= entries[index].dialledMs + AddressBook.connectLimitMs {
        failed(entries[index].address, &shared)
      }
    }
    var busy = busyCount
    while busy < target(shared), let index = candidate(&shared) {
      entries[index].isDialling = true
      entries[index].dialledMs = shared.nowMs
      busy += 1
      shared.outbox.push(.connect(entries[index].address))
    }
    if usesSeeds(shared) && busy < target(shared) && shared.nowMs >= nextSeedMs {
      nextSeedMs = shared.nowMs + AddressBook.seedMs
      shared.outbox.push(.lookUpSeeds(shared.network.seeds))
    }
    if let storesNow, storesNow || shared.nowMs >= storedMs + AddressBook.storeMs {
      self.storesNow = nil
      storedMs = shared.nowMs
      shared.outbox.push(.storePeers(known(shared.unixSeconds)))
    }
  }

  private func usesSeeds(_ shared: Shared) -> Bool {
    shared.configuration.usesGossip && !shared.network.seeds.isEmpty
  }

  private func mayDial(_ entry: Entry, _ shared: Shared) -> Bool {
    entry.isConfigured || (shared.configuration.usesGossip && entry.isGossip && !entry.isUseless)
  }

  /// Configured peers first, then the address with the fewest failures whose group no other
  /// connection uses; ties are broken at random.
  private func candidate(_ shared: inout Shared) -> Int? {
    var best: Int?
    var bestRank: (UInt64, UInt64) = (0, 0)
    for index in entries.indices {
      let entry = entries[index]
      if entry.isBusy || shared.nowMs < entry.retryAtMs || !mayDial(entry, shared) { continue }
      if entry.isBanned(at: shared.unixSeconds) { continue }
      if !entry.isConfigured && sharesGroup(entry.address) { continue }
      let rank = (entry.isConfigured ? 0 : 1 + entry.failures, shared.random.next())
      if best == nil || rank < bestRank {
        best = index
        bestRank = rank
      }
    }
    return best
  }

  private func sharesGroup(_ address: PeerAddress) -> Bool {
    for entry in entries where entry.isBusy {
      if entry.address.ip.count == address.ip.count && entry.address.group == address.group {
        return true
      }
    }
    return false
  }

  func deadlineMs(_ shared: Shared) -> UInt64 {
    var deadline = UInt64.max
    let isFull = busyCount >= target(shared)
    if usesSeeds(shared) && !isFull { deadline = nextSeedMs }
    for entry in entries {
      if entry.isDialling {
        deadline = min(deadline, entry.dialledMs + AddressBook.connectLimitMs)
        continue
      }
      if isFull || entry.isConnected || !mayDial(entry, shared) { continue }
      if entry.isBanned(at: shared.unixSeconds) {
        let waitMs = (entry.bannedUntilSeconds - shared.unixSeconds) * 1000
        deadline = min(deadline, max(entry.retryAtMs, shared.nowMs + waitMs))
      } else if entry.retryAtMs > shared.nowMs {
        deadline = min(deadline, entry.retryAtMs)
      }
    }
    return deadline
  }

  // MARK: The disk

  /// What is stored: bans that still count, and addresses from gossip that served well.
  func known(_ unixSeconds: UInt64) -> [KnownPeer] {
    var bans: [KnownPeer] = []
    var good: [KnownPeer] = []
    for entry in entries {
      let count = entry.bans(at: unixSeconds)
      let peer = KnownPeer(
        address: entry.address, services: entry.services, readySeconds: entry.readySeconds,
        bannedUntilSeconds: count > 0 ? entry.bannedUntilSeconds : 0,
        bans: UInt32(truncatingIfNeeded: min(count, 64)))
      if count > 0 {
        bans.append(peer)
      } else if entry.isGossip && entry.readySeconds > 0 && !entry.isUseless {
        good.append(peer)
      }
    }
    let longest = Order.of(bans.count) {
      bans[$0].bannedUntilSeconds > bans[$1].bannedUntilSeconds
    }
    let latest = Order.of(good.count) { good[$0].readySeconds > good[$1].readySeconds }
    return longest.prefix(AddressBook.maxStoredBans).map { bans[$0] }
      + latest.prefix(AddressBook.maxStoredGood).map { good[$0] }
  }
}
