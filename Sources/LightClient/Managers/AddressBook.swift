import Bitcoin
import Bytes

/// Where to connect next: configured peers for ever, others as gossip and seeds name them.
///
/// BIP155 (addrv2). Connections are spread over network groups, so that one operator's addresses
/// do not take all places; whoever misbehaved is left alone for a time that doubles, and is
/// forgiven day by day.
struct AddressBook {
  static let maxAddresses = 512
  static let connectLimitMs: UInt64 = 30_000
  static let firstRetryMs: UInt64 = 1_000
  static let maxRetryMs: UInt64 = 120_000
  static let banSeconds: UInt64 = 600
  static let maxBanSeconds: UInt64 = 86_400
  static let daySeconds: UInt64 = 86_400
  /// Addresses taken from one `addr` message, and kept of what one network group told.
  static let maxFromMessage = 32
  static let maxFromGroup = 64
  /// Addresses taken from one round of seeds.
  static let maxFromSeeds = 64
  static let seedMs: UInt64 = 600_000
  /// Where peers are configured or known, they have this long before seeds are asked.
  static let seedPatienceMs: UInt64 = 15_000
  /// Bans, and peers that served, on disk; written again at most this often but for bans.
  static let maxStoredBans = 64
  static let maxStoredGood = 32
  static let storeMs: UInt64 = 600_000
  /// The group under which seeds' addresses are counted.
  static let seedGroup = UInt32.max

  struct Entry {
    let address: PeerAddress
    let isConfigured: Bool
    /// Only the word of peers or seeds stands for it.
    var isGossip = false
    /// The network group of who told it.
    var source: UInt32 = 0
    var failures: UInt64 = 0
    var retryAtMs: UInt64 = 0
    var isDialling = false
    var dialledMs: UInt64 = 0
    var isConnected = false
    var bannedUntilSeconds: UInt64 = 0
    var bans: UInt64 = 0
    /// Services that it had, or is said to have; 0 where nobody knows.
    var services: UInt64 = 0
    var readySeconds: UInt64 = 0

    init(address: PeerAddress, isConfigured: Bool) {
      self.address = address
      self.isConfigured = isConfigured
    }

    var isBusy: Bool { isDialling || isConnected }

    /// Known to have no filters, and nobody's choice but gossip's.
    var isUseless: Bool {
      isGossip && services != 0 && services & VersionMessage.Service.compactFilters == 0
    }

    /// No ban lasts longer than a day: one that seems to was stored under another clock, or by a disk
    /// that rots.
    func isBanned(at unixSeconds: UInt64) -> Bool {
      bannedUntilSeconds > unixSeconds
        && bannedUntilSeconds - unixSeconds <= AddressBook.maxBanSeconds
    }

    /// One ban is forgotten for each day that has passed since the last one ended.
    func bans(at unixSeconds: UInt64) -> UInt64 {
      if unixSeconds <= bannedUntilSeconds { return bans }
      return bans - min(bans, (unixSeconds - bannedUntilSeconds) / AddressBook.daySeconds)
    }
  }

  var entries: [Entry] = []
  var nextSeedMs: UInt64
  var storedMs: UInt64
  /// Something is to be stored: nil for nothing, true for at once.
  var storesNow: Bool?

  init(configuration: LightClientConfiguration, known: [KnownPeer], nowMs: UInt64) {
    storedMs = nowMs
    nextSeedMs = nowMs
    for address in configuration.peers { add(Entry(address: address, isConfigured: true)) }
    for peer in known {
      var entry = Entry(address: peer.address, isConfigured: false)
      entry.isGossip = true
      entry.services = peer.services
      entry.readySeconds = peer.readySeconds
      add(entry)
      if let index = index(of: peer.address) {
        entries[index].bannedUntilSeconds = peer.bannedUntilSeconds
        entries[index].bans = UInt64(peer.bans)
      }
    }
    if !entries.isEmpty { nextSeedMs += AddressBook.seedPatienceMs }
  }

  func index(of address: PeerAddress) -> Int? {
    for index in entries.indices where entries[index].address == address { return index }
    return nil
  }

  private mutating func add(_ entry: Entry) {
    if index(of: entry.address) != nil { return }
    if entry.isGossip && entry.source != 0 { makeRoom(inGroup: entry.source) }
    if entries.count >= AddressBook.maxAddresses {
      guard let place = dispensable({ $0.failures > 0 || $0.isUseless }) else { return }
      entries.remove(at: place)
    }
    entries.append(entry)
  }

  /// Whoever tells more and more addresses pushes out those that the same group told before.
  private mutating func makeRoom(inGroup source: UInt32) {
    var count = 0
    for entry in entries where entry.source == source && entry.readySeconds == 0 { count += 1 }
    if count < AddressBook.maxFromGroup { return }
    if let place = dispensable({ $0.source == source && $0.readySeconds == 0 }) {
      entries.remove(at: place)
    }
  }

  /// The entry that failed most, of those that may go. A ban must not be washed away by gossip.
  private func dispensable(_ suits: (Entry) -> Bool) -> Int? {
    var worst: Int?
    for index in entries.indices {
      let entry = entries[index]
      if entry.isConfigured || entry.isBusy || entry.bannedUntilSeconds > 0 || !suits(entry) {
        continue
      }
      if let known = worst, entries[known].failures >= entry.failures { continue }
      worst = index
    }
    return worst
  }

  func isConfigured(_ address: PeerAddress) -> Bool {
    guard let index = index(of: address) else { return false }
    return entries[index].isConfigured
  }

  /// Whether the client itself chose the address, of those that peers or seeds told.
  func isGossip(_ address: PeerAddress) -> Bool {
    guard let index = index(of: address) else { return false }
    return entries[index].isGossip
  }

  func isBanned(_ address: PeerAddress, _ unixSeconds: UInt64) -> Bool {
    guard let index = index(of: address) else { return false }
    return entries[index].isBanned(at: unixSeconds)
  }

  // MARK: What happened

  mutating func connected(_ address: PeerAddress) {
    add(Entry(address: address, isConfigured: false))
    guard let index = index(of: address) else { return }
    entries[index].isDialling = false
    entries[index].isConnected = true
  }

  /// The handshake worked: the address is good.
  mutating func ready(_ address: PeerAddress, services: UInt64, _ unixSeconds: UInt64) {
    guard let index = index(of: address) else { return }
    entries[index].failures = 0
    entries[index].services = services
    if entries[index].isGossip && entries[index].readySeconds == 0 {
      storesNow = storesNow ?? false
    }
    entries[index].readySeconds = unixSeconds
  }

  mutating func failed(_ address: PeerAddress, _ shared: inout Shared) {
    guard let index = index(of: address) else { return }
    entries[index].isDialling = false
    entries[index].isConnected = false
    let doubling = min(entries[index].failures, 8)
    let waitMs = min(AddressBook.maxRetryMs, AddressBook.firstRetryMs << doubling)
    entries[index].failures += 1
    entries[index].retryAtMs = shared.nowMs + waitMs + shared.random.next(below: waitMs / 2 + 1)
  }

  /// Returns until when the address is left alone, in seconds since 1970.
  mutating func ban(_ address: PeerAddress, _ shared: Shared) -> UInt64 {
    add(Entry(address: address, isConfigured: false))
    guard let index = index(of: address) else { return shared.unixSeconds }
    let bans = entries[index].bans(at: shared.unixSeconds)
    let seconds = min(AddressBook.maxBanSeconds, AddressBook.banSeconds << min(bans, 8))
    entries[index].bans = bans + 1
    entries[index].bannedUntilSeconds = shared.unixSeconds + seconds
    storesNow = true
    limitBans(shared.unixSeconds)
    return entries[index].bannedUntilSeconds
  }

  /// Of many bans those that end first are let go: the book is not to be filled with them.
  private mutating func limitBans(_ unixSeconds: UInt64) {
    var count = 0
    for entry in entries where entry.bannedUntilSeconds > 0 && !entry.isConfigured { count += 1 }
    if count <= AddressBook.maxStoredBans * 2 { return }
    var first: Int?
    for index in entries.indices {
      let entry = entries[index]
      if entry.bannedUntilSeconds == 0 || entry.isConfigured || entry.isBusy { continue }
      if let known = first, entries[known].bannedUntilSeconds <= entry.bannedUntilSeconds {
        continue
      }
      first = index
    }
    if let first { entries.remove(at: first) }
  }

  /// A peer told addresses.
  mutating func told(_ list: [NetworkAddress], by teller: PeerAddress, _ shared: Shared) {
    if !shared.configuration.usesGossip { return }
    var taken = 0
    for item in list where taken < AddressBook.maxFromMessage {
      guard let address = PeerAddress(ip: item.address, port: item.port), address.isPublic,
        item.network == NetworkAddress.Network.ipv4 || item.network == NetworkAddress.Network.ipv6
      else { continue }
      if item.services & VersionMessage.Service.compactFilters == 0 { continue }
      addGossip(address, services: item.services, source: teller.group)
      taken += 1
    }
  }

  /// Seeds told addresses. What they serve shows when they are dialled.
  mutating func seeded(_ list: [PeerAddress]) {
    for address in list.prefix(AddressBook.maxFromSeeds) where address.isPublic {
      addGossip(address, services: 0, source: AddressBook.seedGroup)
    }
  }

  private mutating func addGossip(_ address: PeerAddress, services: UInt64, source: UInt32) {
    var entry = Entry(address: address, isConfigured: false)
    entry.isGossip = true
    entry.services = services
    entry.source = source
    add(entry)
  }
}
