import Bytes
import Crypto

/// Version (2, little-endian as all), identity (32), height (4), hash (32), time (8), architecture
/// (CompactSize and text), processors (2), MiB (4), isolation (1), number of results (1); each
/// kernel (1), status (1), rounds (4), median, least, most, checksum (8 each); signature (64).
extension CapabilityReport {
  func body() -> [UInt8] {
    var writer = ByteWriter(reserving: 512)
    writer.u16le(CapabilityReport.version)
    writer.append(identity)
    writer.u32le(blockHeight)
    writer.append(blockHash)
    writer.u64le(unixSeconds)
    writer.lengthPrefixed(Array(architecture.utf8))
    writer.u16le(processors)
    writer.u32le(memoryMiB)
    writer.u8(isolation)
    writer.u8(UInt8(truncatingIfNeeded: results.count))
    for result in results {
      writer.u8(result.kernel.rawValue)
      writer.u8(result.status.rawValue)
      writer.u32le(result.rounds)
      writer.u64le(result.median)
      writer.u64le(result.least)
      writer.u64le(result.most)
      writer.u64le(result.checksum)
    }
    return writer.bytes
  }

  public func encode() -> [UInt8] { body() + signature }

  /// Decodes a report and checks everything except its signature; throws `malformed`,
  /// `unknownVersion` or `refused`. Each report has exactly one encoding.
  public static func decode(_ bytes: [UInt8]) throws(CapabilityError) -> CapabilityReport {
    if bytes.count > sizeLimit { throw .refused(field: "size") }
    var reader = ByteReader(bytes)
    let version = try read { () throws(BytesError) in try reader.u16le() }
    // Another version may have another layout.
    if version != CapabilityReport.version { throw .unknownVersion(version) }
    var report = try read { () throws(BytesError) in try head(&reader) }
    try report.checkHead()
    let count = try read { () throws(BytesError) in try reader.u8() }
    var last: UInt8 = 0
    for _ in 0..<count {
      let result = try result(&reader)
      if result.kernel.rawValue <= last { throw .refused(field: "order of results") }
      last = result.kernel.rawValue
      report.results.append(result)
    }
    report.signature = try read { () throws(BytesError) in
      let signature = try reader.take(Ed25519.signatureLength)
      try reader.finish()
      return signature
    }
    return report
  }

  private static func read<T>(
    _ body: () throws(BytesError) -> T
  ) throws(CapabilityError) -> T {
    do throws(BytesError) { return try body() } catch { throw .malformed(error) }
  }

  private static func head(_ reader: inout ByteReader) throws(BytesError) -> CapabilityReport {
    CapabilityReport(
      identity: try reader.bytes32(), blockHeight: try reader.u32le(),
      blockHash: try reader.bytes32(), unixSeconds: try reader.u64le(),
      architecture: String(decoding: try reader.lengthPrefixed(limit: 32), as: UTF8.self),
      processors: try reader.u16le(), memoryMiB: try reader.u32le(), isolation: try reader.u8(),
      results: [])
  }

  private func checkHead() throws(CapabilityError) {
    if architecture.utf8.isEmpty || architecture.utf8.count > 32 {
      throw .refused(field: "architecture")
    }
    for character in architecture.utf8 {
      switch character {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f, 0x2d: continue
      default: throw .refused(field: "architecture")
      }
    }
    if processors == 0 || processors > 4096 { throw .refused(field: "processors") }
    if memoryMiB == 0 || memoryMiB > 1 << 28 { throw .refused(field: "memory") }
    if isolation > 2 { throw .refused(field: "isolation") }
    if unixSeconds > 1 << 40 { throw .refused(field: "time") }
  }

  private static func result(
    _ reader: inout ByteReader
  ) throws(CapabilityError) -> KernelResult {
    let start = reader.offset
    let (kernelNumber, statusNumber) = try read { () throws(BytesError) in
      (try reader.u8(), try reader.u8())
    }
    guard let kernel = Kernel(rawValue: kernelNumber) else {
      throw .malformed(.invalid(offset: start))
    }
    guard let status = KernelResult.Status(rawValue: statusNumber) else {
      throw .malformed(.invalid(offset: start + 1))
    }
    let result = try read { () throws(BytesError) in
      KernelResult(
        kernel: kernel, status: status, rounds: try reader.u32le(), median: try reader.u64le(),
        least: try reader.u64le(), most: try reader.u64le(), checksum: try reader.u64le())
    }
    if !result.isSound { throw .refused(field: kernel.name) }
    return result
  }
}

extension KernelResult {
  /// Whether an agent can have produced this.
  var isSound: Bool {
    if status != .measured { return self == .skipped(kernel, status) }
    return rounds >= Rounds.least && rounds <= Rounds.most && least > 0 && least <= median
      && median <= most
  }
}
