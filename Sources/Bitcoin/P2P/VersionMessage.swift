import Bytes

/// The first message of a connection.
public struct VersionMessage: Equatable, Sendable {
  /// The protocol version of this software: BIP157 and addrv2 need no higher one.
  public static let protocolVersion: UInt32 = 70016
  /// Peers below this version do not support witness blocks.
  public static let minimumVersion: UInt32 = 70013

  /// Bits of `services`.
  public enum Service {
    public static let network: UInt64 = 1
    public static let witness: UInt64 = 1 << 3
    /// Serves BIP157 filters.
    public static let compactFilters: UInt64 = 1 << 6
    public static let networkLimited: UInt64 = 1 << 10
  }

  public var version: UInt32
  public var services: UInt64
  /// Seconds since 1970.
  public var time: UInt64
  public var nonce: UInt64
  public var userAgent: [UInt8]
  public var startHeight: UInt32
  /// Whether the sender wants transactions announced (BIP37's flag).
  public var relay: Bool

  public init(
    version: UInt32 = VersionMessage.protocolVersion, services: UInt64, time: UInt64,
    nonce: UInt64, userAgent: [UInt8], startHeight: UInt32, relay: Bool
  ) {
    self.version = version
    self.services = services
    self.time = time
    self.nonce = nonce
    self.userAgent = userAgent
    self.startHeight = startHeight
    self.relay = relay
  }

  func encode(to writer: inout ByteWriter) {
    writer.u32le(version)
    writer.u64le(services)
    writer.u64le(time)
    // Both addresses are left empty: nodes ignore them, and the agent's location stays private.
    for _ in 0..<2 {
      writer.u64le(0)
      writer.append([UInt8](repeating: 0, count: 18))
    }
    writer.u64le(nonce)
    writer.lengthPrefixed(userAgent)
    writer.u32le(startHeight)
    writer.u8(relay ? 1 : 0)
  }

  static func decode(_ reader: inout ByteReader) throws(BytesError) -> VersionMessage {
    let version = try reader.u32le()
    let services = try reader.u64le()
    let time = try reader.u64le()
    try reader.skip(26)
    try reader.skip(26)
    let nonce = try reader.u64le()
    let userAgent = try reader.lengthPrefixed(limit: 256)
    let startHeight = try reader.u32le()
    let relay = reader.isAtEnd ? true : try reader.u8() != 0
    // Later versions may add fields: ignore them.
    _ = reader.rest()
    return VersionMessage(
      version: version, services: services, time: time, nonce: nonce, userAgent: userAgent,
      startHeight: startHeight, relay: relay)
  }
}
