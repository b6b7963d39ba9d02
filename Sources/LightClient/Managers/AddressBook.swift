import Bitcoin
import Bytes

/// Which address to dial next: configured peers without end, others as gossip and seeds name them.
///
/// BIP155 (addrv2). Connections are spread over network groups, so that one operator's addresses
/// cannot take all places. A misbehaving address is banned for a time that doubles with each ban;
/// one ban expires per day.
struct AddressBook {
  static let maxAddresses = 512
  static let connectLimitMs: UInt64 = 30_000
  static let firstRetryMs: UInt64 = 1_000
  static let maxRetryMs: UInt64 = 120_000
  static let banSeconds: UInt64 = 600
  static let maxBanSeconds: UInt64 = 86_400
  static let daySeconds: UInt64 = 86_400
  /// Most addresses taken from one `addr` message, and kept from one network group.
  static let maxFromMessage = 32
  static let maxFromGroup = 64
  /// Addresses taken from one round of seeds.
  static let maxFromSeeds = 64
  static let seedMs: UInt64 = 600_000
  /// With configured or known peers, seeds are resolved only after this time, if connections are
  /// still missing.
  static let seedPatienceMs: UInt64 = 15_000
  /// Bans and good peers on disk; bans are written at once, other changes at most once per
  /// `storeMs`.
  static let maxStoredBans = 64
  static let maxStoredGood = 32
  static let storeMs: UInt64 = 600_000
  /// The group under which seeds' addresses are counted.
  static let seedGroup = UInt32.max

  struct Entry {
    let address: PeerAddress
    let isConfigured: Bool
    /// The address comes only from peers or seeds.
    var isGossip = false
    /// The network group of the peer that sent it.
    var source: UInt32 = 0
    var failures: UInt64 = 0
    var retryAtMs: UInt64 = 0
    var isDialling = false
    var dialledMs: UInt64 = 0
    var isConnected = false
    var bannedUntilSeconds: UInt64 = 0
    var bans: UInt64 = 0
    /// Services that it had, or is reported to have; 0 where unknown.
    var services: UInt64 = 0
    var readySeconds: UInt64 = 0

    init(address: PeerAddress, isConfigured: Bool) {
      self.address = address
      self.isConfigured = isConfigured
    }

    var isBusy: Bool { isDialling || isConnected }

    /// An address from gossip that is known to have no filters.
    var isUseless: Bool {
      isGossip && services != 0 && services & VersionMessage.Service.compactFilters == 0
    }

    /// No ban lasts longer than a day: a longer one was stored under another clock or is disk
    /// damage.
    func isBanned(at unixSeconds: UInt64) -> Bool {
      bannedUntilSeconds > unixSeconds
        && bannedUntilSeconds - unixSeconds <= AddressBook.maxBanSeconds
    }

    /// One ban expires for each day that has passed since the last one ended.
    func bans(at unixSeconds: UInt64) -> UInt64 {
      if unixSeconds <= bannedUntilSeconds { return bans }
      return bans - min(bans, (unixSeconds - bannedUntilSeconds) / AddressBook.daySeconds)
    }
  }

  var entries: [Entry] = []
  var nextSeedMs: UInt64
  var storedMs: UInt64
  /// Whether to store: nil for no, false for after `storeMs`, true for at once.
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

  /// A group that sends ever more addresses displaces its own earlier ones.
  private mutating func makeRoom(inGroup source: UInt32) {
    var count = 0
    for entry in entries where entry.source == source && entry.readySeconds == 0 { count += 1 }
    if count < AddressBook.maxFromGroup { return }
    if let place = dispensable({ $0.source == source && $0.readySeconds == 0 }) {
      entries.remove(at: place)
    }
  }

  /// The removable entry with the most failures. Gossip must not displace a ban.
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

  /// Whether the client chose the address itself, from gossip or seeds.
  func isGossip(_ address: PeerAddress) -> Bool {
    guard let index = index(of: address) else { return false }
    return entries[index].isGossip
  }

  func isBanned(_ address: PeerAddress, _ unixSeconds: UInt64) -> Bool {
    guard let index = index(of: address) else { return false }
    return entries[index].isBanned(at: unixSeconds)
  }

  // MARK: Events

  mutating func connected(_ address: PeerAddress) {
    add(Entry(address: address, isConfigured: false))
    guard let index = index(of: address) else { return }
    entries[index].isDialling = false
    entries[index].isConnected = true
  }

  /// The handshake succeeded: the address is good.
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

  /// Returns when the ban ends, in seconds since 1970.
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

  /// Drops the bans that end first once there are too many: bans must not fill the book.
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

  /// A peer sent addresses.
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

  /// Seeds returned addresses. Their services are learned by dialling.
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
