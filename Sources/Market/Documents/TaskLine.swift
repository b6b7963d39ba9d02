import Bitcoin
import Bytes
import Crypto

/// A task's receipt: one line, which travels once. The lease's ``Statement`` signs the hash chain of all
/// lines, in the order in which tasks ended.
public struct TaskLine: Equatable, Sendable {
  public var number: UInt32
  public var kind: ExitKind
  /// What ``ExitKind`` says.
  public var status: Int32
  public var usage: UsageVector
  public var resultBytes: UInt64
  /// SHA-256 of the results' bytes; zero without results.
  public var resultDigest: Bytes32
  /// Seconds since 1970 by the provider's clock; 0 where it never ran.
  public var startedUnixSeconds: UInt64

  public init(
    number: UInt32, kind: ExitKind, status: Int32, usage: UsageVector = UsageVector(),
    resultBytes: UInt64 = 0, resultDigest: Bytes32 = .zero, startedUnixSeconds: UInt64 = 0
  ) {
    self.number = number
    self.kind = kind
    self.status = status
    self.usage = usage
    self.resultBytes = resultBytes
    self.resultDigest = resultDigest
    self.startedUnixSeconds = startedUnixSeconds
  }

  /// The chain's value after this line, where it was `former` before; ``Bytes32/zero`` before the first.
  public func chain(after former: Bytes32) -> Bytes32 {
    var writer = ByteWriter(reserving: 192)
    writer.append(former)
    encode(to: &writer)
    return Sha256.tagged("zennet/line", writer.bytes)
  }

  public func encode(to writer: inout ByteWriter) {
    writer.u32le(number)
    writer.u8(kind.rawValue)
    writer.u32le(UInt32(bitPattern: status))
    usage.encode(to: &writer)
    writer.u64le(resultBytes)
    writer.append(resultDigest)
    writer.u64le(startedUnixSeconds)
  }

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 160)
    encode(to: &writer)
    return writer.bytes
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> TaskLine {
    TaskLine(
      number: try reader.u32("task", 1...UInt32.max), kind: try ExitKind.decode(&reader),
      status: Int32(bitPattern: try reader.u32("exit status")),
      usage: try UsageVector.decode(&reader),
      resultBytes: try reader.u64("result size", 0...Limits.maxBundleBytes),
      resultDigest: try reader.bytes32("result digest"),
      startedUnixSeconds: try reader.u64("start"))
  }

  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> TaskLine {
    var reader = DocumentReader(bytes)
    let line = try decode(&reader)
    try reader.finish()
    return line
  }
}
