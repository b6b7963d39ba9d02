import Bitcoin
import Bytes

/// Where to connect next: configured peers for ever, others as gossip names them.
///
/// BIP155 (addrv2). Connections are spread over network groups, so that one operator's addresses
/// do not take all places; whoever misbehaved is left alone for a time that doubles.
struct AddressBook {
  static let maxAddresses = 512
  static let connectLimitMs: UInt64 = 30_000
  static let firstRetryMs: UInt64 = 1_000
  static let maxRetryMs: UInt64 = 120_000
  static let banSeconds: UInt64 = 600
  static let maxBanSeconds: UInt64 = 86_400
  /// Addresses taken from one `addr` message.
  static let maxFromMessage = 32

  private struct Entry {
    let address: PeerAddress
    let isConfigured: Bool
    /// Only peers' word stands for it.
    var isGossip = false
    var failures: UInt64 = 0
    var retryAtMs: UInt64 = 0
    var isDialling = false
    var dialledMs: UInt64 = 0
    var isConnected = false
    var bannedUntilSeconds: UInt64 = 0
    var bans: UInt64 = 0
    /// Services that it had, or is said to have.
    var services: UInt64 = 0
  }

  private var entries: [Entry] = []

  init(configuration: LightClientConfiguration, bans: [PeerBan]) {
    for address in configuration.peers { add(address, isConfigured: true, services: 0) }
    for ban in bans {
      add(ban.address, isConfigured: false, services: 0)
      if let index = index(of: ban.address) { entries[index].bannedUntilSeconds = ban.untilSeconds }
    }
  }

  private func index(of address: PeerAddress) -> Int? {
    for index in entries.indices where entries[index].address == address { return index }
    return nil
  }

  private mutating func add(
    _ address: PeerAddress, isConfigured: Bool, services: UInt64, isGossip: Bool = false
  ) {
    if index(of: address) != nil { return }
    if entries.count >= AddressBook.maxAddresses {
      var worst: Int?
      for index in entries.indices {
        let entry = entries[index]
        if entry.isConfigured || entry.isConnected || entry.isDialling { continue }
        // A ban must not be washed away by gossip.
        if entry.bannedUntilSeconds > 0 { continue }
        if let known = worst, entries[known].failures >= entry.failures { continue }
        worst = index
      }
      guard let worst, entries[worst].failures > 0 else { return }
      entries.remove(at: worst)
    }
    var entry = Entry(address: address, isConfigured: isConfigured)
    entry.services = services
    entry.isGossip = isGossip
    entries.append(entry)
  }

  func isConfigured(_ address: PeerAddress) -> Bool {
    guard let index = index(of: address) else { return false }
    return entries[index].isConfigured
  }

  /// Whether the client itself chose the address, of those that peers told.
  func isGossip(_ address: PeerAddress) -> Bool {
    guard let index = index(of: address) else { return false }
    return entries[index].isGossip
  }

  /// The addresses that are banned now.
  func bans(_ unixSeconds: UInt64) -> [PeerBan] {
    var list: [PeerBan] = []
    for entry in entries where entry.bannedUntilSeconds > unixSeconds {
      list.append(PeerBan(address: entry.address, untilSeconds: entry.bannedUntilSeconds))
    }
    return list
  }

  // MARK: What happened

  mutating func connected(_ address: PeerAddress) {
    add(address, isConfigured: false, services: 0)
    guard let index = index(of: address) else { return }
    entries[index].isDialling = false
    entries[index].isConnected = true
  }

  /// The handshake worked: the address is good.
  mutating func ready(_ address: PeerAddress, services: UInt64) {
    guard let index = index(of: address) else { return }
    entries[index].failures = 0
    entries[index].services = services
  }

  mutating func failed(_ address: PeerAddress, _ shared: inout Shared) {
    guard let index = index(of: address) else { return }
    entries[index].isDialling = false
    entries[index].isConnected = false
    let doubling = min(entries[index].failures, 8)
    let waitMs = min(AddressBook.maxRetryMs, AddressBook.firstRetryMs << doubling)
    entries[index].failures += 1
    entries[index].retryAtMs = shared.nowMs + waitMs + shared.random.below(waitMs / 2 + 1)
  }

  /// Returns until when the address is left alone, in seconds since 1970.
  mutating func ban(_ address: PeerAddress, _ shared: Shared) -> UInt64 {
    add(address, isConfigured: false, services: 0)
    guard let index = index(of: address) else { return shared.unixSeconds }
    let seconds = min(
      AddressBook.maxBanSeconds, AddressBook.banSeconds << min(entries[index].bans, 8))
    entries[index].bans += 1
    entries[index].bannedUntilSeconds = shared.unixSeconds + seconds
    return entries[index].bannedUntilSeconds
  }

  /// A peer told addresses.
  mutating func told(_ list: [NetworkAddress], _ shared: Shared) {
    if !shared.configuration.usesGossip { return }
    var taken = 0
    for item in list where taken < AddressBook.maxFromMessage {
      guard let address = PeerAddress(ip: item.address, port: item.port), address.isPublic,
        item.network == NetworkAddress.Network.ipv4 || item.network == NetworkAddress.Network.ipv6
      else { continue }
      if item.services & VersionMessage.Service.compactFilters == 0 { continue }
      add(address, isConfigured: false, services: item.services, isGossip: true)
      taken += 1
    }
  }

  // MARK: Dialling

  private var busyCount: Int {
    var count = 0
    for entry in entries where entry.isDialling || entry.isConnected { count += 1 }
    return count
  }

  mutating func pump(_ shared: inout Shared) {
    for index in entries.indices where entries[index].isDialling {
      if shared.nowMs >= entries[index].dialledMs + AddressBook.connectLimitMs {
        failed(entries[index].address, &shared)
      }
    }
    var busy = busyCount
    let target = max(1, min(16, shared.configuration.targetPeers))
    while busy < target {
      guard let index = candidate(&shared) else { return }
      entries[index].isDialling = true
      entries[index].dialledMs = shared.nowMs
      busy += 1
      shared.outbox.push(.connect(entries[index].address))
    }
  }

  /// Configured peers first, then the address that failed least and shares its group with no other
  /// connection; among equals, chance decides.
  private func candidate(_ shared: inout Shared) -> Int? {
    var best: Int?
    var bestRank: (UInt64, UInt64) = (0, 0)
    for index in entries.indices {
      let entry = entries[index]
      if entry.isDialling || entry.isConnected || shared.nowMs < entry.retryAtMs { continue }
      if entry.bannedUntilSeconds > shared.unixSeconds { continue }
      if !entry.isConfigured && !shared.configuration.usesGossip { continue }
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
    for entry in entries where entry.isDialling || entry.isConnected {
      if entry.address.ip.count == address.ip.count && entry.address.group == address.group {
        return true
      }
    }
    return false
  }

  func deadlineMs(_ shared: Shared) -> UInt64 {
    var deadline = UInt64.max
    let isFull = busyCount >= max(1, min(16, shared.configuration.targetPeers))
    for entry in entries {
      if entry.isDialling {
        deadline = min(deadline, entry.dialledMs + AddressBook.connectLimitMs)
        continue
      }
      if isFull || entry.isConnected { continue }
      if !entry.isConfigured && !shared.configuration.usesGossip { continue }
      if entry.bannedUntilSeconds > shared.unixSeconds {
        let waitMs = (entry.bannedUntilSeconds - shared.unixSeconds) * 1000
        deadline = min(deadline, max(entry.retryAtMs, shared.nowMs + waitMs))
      } else if entry.retryAtMs > shared.nowMs {
        deadline = min(deadline, entry.retryAtMs)
      }
    }
    return deadline
  }
}
