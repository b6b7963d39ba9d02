import Bytes

/// A file for measurements, provided by the host. Offsets and sizes are in bytes.
public struct DiskProbe {
  /// The part of the file that may be used; a multiple of 1 MiB, at least 4 MiB.
  public var sizeBytes: UInt64
  /// Writes bytes at an offset; false on failure.
  public var write: (UInt64, [UInt8]) -> Bool
  /// Returns once all written bytes are on the disk.
  public var sync: () -> Bool
  /// Asks the operating system to drop the file's cached pages.
  public var dropCache: () -> Void
  /// Reads so many bytes at an offset; nil on failure.
  public var read: (UInt64, Int) -> [UInt8]?

  public init(
    sizeBytes: UInt64, write: @escaping (UInt64, [UInt8]) -> Bool, sync: @escaping () -> Bool,
    dropCache: @escaping () -> Void, read: @escaping (UInt64, Int) -> [UInt8]?
  ) {
    self.sizeBytes = sizeBytes
    self.write = write
    self.sync = sync
    self.dropCache = dropCache
    self.read = read
  }
}

/// Blocks whose content is determined by their position.
struct DiskKernel {
  static let pageBytes = 4096
  static let blockBytes = 65_536
  /// Bytes written between two syncs.
  static let roundBytes = 1_048_576
  /// In a round of reads.
  static let readsPerRound: UInt32 = 32
  /// The most bytes written, regardless of time, because flash wears out.
  static let writeLimitBytes: UInt64 = 67_108_864

  let seed: KernelSeed
  let probe: DiskProbe

  var pages: UInt32 { UInt32(min(probe.sizeBytes / UInt64(DiskKernel.pageBytes), 1 << 24)) }

  func page(_ index: UInt32) -> [UInt8] {
    var numbers = seed.numbers(index)
    var page: [UInt8] = []
    page.reserveCapacity(DiskKernel.pageBytes)
    for _ in 0..<(DiskKernel.pageBytes / 8) {
      let word = numbers.next()
      for shift in 0..<8 { page.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * shift))) }
    }
    return page
  }

  func block(at offset: UInt64) -> [UInt8] {
    var block: [UInt8] = []
    block.reserveCapacity(DiskKernel.blockBytes)
    var index = UInt32(offset / UInt64(DiskKernel.pageBytes))
    while block.count < DiskKernel.blockBytes {
      block.append(contentsOf: page(index))
      index += 1
    }
    return block
  }
}
