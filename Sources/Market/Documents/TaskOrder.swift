import Bitcoin
import Bytes
import Crypto

/// A bundle of files (`tar.zst`) by its digest.
public struct BundleRef: Equatable, Sendable {
  /// SHA-256 of the bytes.
  public var digest: Bytes32
  public var sizeBytes: UInt64

  public init(digest: Bytes32, sizeBytes: UInt64) {
    self.digest = digest
    self.sizeBytes = sizeBytes
  }
}

/// What streams of a task are called in a session.
public enum TaskKey {
  public static func of(contract: Bytes32, number: UInt32) -> Bytes32 {
    var writer = ByteWriter()
    writer.append(contract)
    writer.u32le(number)
    return Sha256.tagged("zennet/task", writer.bytes)
  }
}

/// One execution inside a lease. Numbers ascend from 1, are on the provider's disk before the task
/// starts, and are never run twice.
public struct TaskOrder: Equatable, Sendable {
  public var number: UInt32
  /// The base first, inputs on top: at most 16.
  public var bundles: [BundleRef]
  /// The program and its arguments: at most 64 of at most 4 KiB.
  public var arguments: [[UInt8]]
  /// `NAME=value`, at most 64 of at most 4 KiB.
  public var environment: [[UInt8]]
  /// Absolute, inside the sandbox.
  public var workdir: [UInt8]
  public var limits: TaskLimits
  /// After a stop: SIGTERM first, and the end after this time; 0 ends it at once.
  public var stopMs: UInt32
  /// Whether the publisher has bytes for its standard input.
  public var hasInput: Bool
  /// What of `/out` is wanted: a path below it, absolute in `/out`; `/` is all.
  public var resultPath: [UInt8]
  /// 0 wants no results.
  public var maxResultBytes: UInt64

  public init(
    number: UInt32, bundles: [BundleRef], arguments: [[UInt8]], environment: [[UInt8]] = [],
    workdir: [UInt8] = Array("/work".utf8), limits: TaskLimits, stopMs: UInt32 = 0,
    hasInput: Bool = false, resultPath: [UInt8] = [0x2f], maxResultBytes: UInt64 = 0
  ) {
    self.number = number
    self.bundles = bundles
    self.arguments = arguments
    self.environment = environment
    self.workdir = workdir
    self.limits = limits
    self.stopMs = stopMs
    self.hasInput = hasInput
    self.resultPath = resultPath
    self.maxResultBytes = maxResultBytes
  }

  /// Of all its bundles.
  public var bundleBytes: UInt64 {
    var sum: UInt64 = 0
    for bundle in bundles { sum += bundle.sizeBytes }
    return sum
  }

  // MARK: Encoding

  public func encode(to writer: inout ByteWriter) {
    writer.u32le(number)
    writer.compactSize(bundles.count)
    for bundle in bundles {
      writer.append(bundle.digest)
      writer.u64le(bundle.sizeBytes)
    }
    for list in [arguments, environment] {
      writer.compactSize(list.count)
      for text in list { writer.lengthPrefixed(text) }
    }
    writer.lengthPrefixed(workdir)
    limits.encode(to: &writer)
    writer.u32le(stopMs)
    writer.u8(hasInput ? 1 : 0)
    writer.lengthPrefixed(resultPath)
    writer.u64le(maxResultBytes)
  }

  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 256)
    encode(to: &writer)
    return writer.bytes
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> TaskOrder {
    TaskOrder(
      number: try reader.u32("task", 1...UInt32.max), bundles: try bundles(&reader),
      arguments: try reader.arguments(), environment: try reader.environment(),
      workdir: try reader.path("workdir", allowsEmpty: false),
      limits: try TaskLimits.decode(&reader),
      stopMs: try reader.u32("stop time", Limits.stopGraceMs),
      hasInput: try reader.bool("input"),
      resultPath: try reader.path("result path", allowsEmpty: false),
      maxResultBytes: try reader.u64("result size", 0...Limits.maxBundleBytes))
  }

  /// Throws `malformed` or `refused`, naming the field and the byte.
  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> TaskOrder {
    var reader = DocumentReader(bytes)
    let order = try decode(&reader)
    try reader.finish()
    return order
  }

  private static func bundles(_ reader: inout DocumentReader) throws(MarketError) -> [BundleRef] {
    var bundles: [BundleRef] = []
    for _ in 0..<(try reader.count("bundles", 1...Limits.maxBundles)) {
      bundles.append(
        BundleRef(
          digest: try reader.bytes32("bundle digest"),
          sizeBytes: try reader.u64("bundle size", 1...Limits.maxBundleBytes)))
    }
    return bundles
  }
}
