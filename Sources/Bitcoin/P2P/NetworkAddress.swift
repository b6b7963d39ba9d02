import Bytes

/// A peer's advertised address: an entry of `addr` or of `addrv2` (BIP155).
public struct NetworkAddress: Equatable, Sendable {
  /// The network ids of BIP155 that this software can dial.
  public enum Network {
    public static let ipv4: UInt8 = 1
    public static let ipv6: UInt8 = 2
  }

  /// When the sender last heard of the address, seconds since 1970.
  public var time: UInt32
  public var services: UInt64
  public var network: UInt8
  /// 4 bytes for IPv4, 16 for IPv6, BIP155's sizes for others (at most 512).
  public var address: [UInt8]
  public var port: UInt16

  public init(time: UInt32, services: UInt64, network: UInt8, address: [UInt8], port: UInt16) {
    self.time = time
    self.services = services
    self.network = network
    self.address = address
    self.port = port
  }

  private static let mappedPrefix: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]

  /// An entry of `addr`: 30 bytes.
  static func decodeLegacy(_ reader: inout ByteReader) throws(BytesError) -> NetworkAddress {
    let time = try reader.u32le()
    let services = try reader.u64le()
    let address = try reader.take(16)
    let port = try reader.u16be()
    let isIpv4 = Array(address[0..<12]) == mappedPrefix
    return NetworkAddress(
      time: time, services: services, network: isIpv4 ? Network.ipv4 : Network.ipv6,
      address: isIpv4 ? Array(address[12...]) : address, port: port)
  }

  func encodeLegacy(to writer: inout ByteWriter) {
    writer.u32le(time)
    writer.u64le(services)
    if address.count == 4 { writer.append(NetworkAddress.mappedPrefix) }
    writer.append(address)
    writer.u16be(port)
  }

  /// An entry of `addrv2`.
  static func decodeV2(_ reader: inout ByteReader) throws(BytesError) -> NetworkAddress {
    let time = try reader.u32le()
    let services = UInt64(try reader.compactSizeBits())
    let network = try reader.u8()
    let address = try reader.lengthPrefixed(limit: 512)
    return NetworkAddress(
      time: time, services: services, network: network, address: address,
      port: try reader.u16be())
  }

  func encodeV2(to writer: inout ByteWriter) {
    writer.u32le(time)
    writer.compactSizeBits(services)
    writer.u8(network)
    writer.lengthPrefixed(address)
    writer.u16be(port)
  }
}
