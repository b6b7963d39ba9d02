import Bitcoin
import Bytes

/// The disk and network traffic that a contract reckons with: what a publisher pays for at most in
/// any hour, beside what its tasks' processors and memory cost.
public struct HourlyTraffic: Equatable, Sendable {
  /// Read, and as much written.
  public var diskKiB: UInt64
  public var networkKiB: UInt64

  public init(diskKiB: UInt64, networkKiB: UInt64) {
    self.diskKiB = diskKiB
    self.networkKiB = networkKiB
  }

  func encode(to writer: inout ByteWriter) {
    writer.u64le(diskKiB)
    writer.u64le(networkKiB)
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> HourlyTraffic {
    HourlyTraffic(
      diskKiB: try reader.u64("disk traffic", 0...(1 << 40)),
      networkKiB: try reader.u64("network traffic", 0...(1 << 40)))
  }
}
