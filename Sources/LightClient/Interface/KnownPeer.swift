import Bytes

/// What is stored about an address: that it served well, or that it is banned.
public struct KnownPeer: Equatable, Sendable {
  public var address: PeerAddress
  public var services: UInt64
  /// When it last completed a handshake, in seconds since 1970; 0 for never.
  public var readySeconds: UInt64
  /// It is not dialled before this time, in seconds since 1970; 0 where it never misbehaved.
  public var bannedUntilSeconds: UInt64
  /// How often it was banned; one expires for each day that passes after a ban.
  public var bans: UInt32

  public init(
    address: PeerAddress, services: UInt64 = 0, readySeconds: UInt64 = 0,
    bannedUntilSeconds: UInt64 = 0, bans: UInt32 = 0
  ) {
    self.address = address
    self.services = services
    self.readySeconds = readySeconds
    self.bannedUntilSeconds = bannedUntilSeconds
    self.bans = bans
  }

  /// The encoding of a list, as one value for the disk.
  public static func encode(_ list: [KnownPeer]) -> [UInt8] {
    var writer = ByteWriter(reserving: list.count * 48)
    for peer in list {
      writer.lengthPrefixed(peer.address.ip)
      writer.u16be(peer.address.port)
      writer.u64le(peer.services)
      writer.u64le(peer.readySeconds)
      writer.u64le(peer.bannedUntilSeconds)
      writer.u32le(peer.bans)
    }
    return writer.bytes
  }

  /// Decodes as many entries as are valid; damage is ignored, because the list can be rebuilt.
  public static func decode(_ bytes: [UInt8]) -> [KnownPeer] {
    var reader = ByteReader(bytes)
    var list: [KnownPeer] = []
    while !reader.isAtEnd, list.count < AddressBook.maxAddresses {
      guard let peer = try? one(&reader) else { break }
      list.append(peer)
    }
    return list
  }

  private static func one(_ reader: inout ByteReader) throws(BytesError) -> KnownPeer? {
    let ip = try reader.lengthPrefixed(limit: 16)
    let port = try reader.u16be()
    let services = try reader.u64le()
    let readySeconds = try reader.u64le()
    let bannedUntilSeconds = try reader.u64le()
    let bans = try reader.u32le()
    guard let address = PeerAddress(ip: ip, port: port) else { return nil }
    return KnownPeer(
      address: address, services: services, readySeconds: readySeconds,
      bannedUntilSeconds: bannedUntilSeconds, bans: bans)
  }
}
