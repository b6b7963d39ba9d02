import CZstd

/// Decompresses zstd as it comes, with bounded memory and a bounded ratio.
public final class Unzstd {
  /// 8 MiB of history: what `zstd` writes up to level 19 without `--long`.
  static let windowLog: Int32 = 23

  /// A good size for a piece of input: a block and its header.
  static let inputSize = 131_075
  private static let outputSize = 131_072

  private let context: OpaquePointer?
  private let ratio: UInt64
  private var output: [UInt8]
  /// Compressed bytes taken, uncompressed bytes given.
  private(set) var taken: UInt64 = 0
  private(set) var given: UInt64 = 0
  /// Between two frames, where the stream may end.
  private var isBetweenFrames = false

  public init(ratio: UInt64) {
    self.ratio = ratio
    context = ZSTD_createDCtx()
    _ = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Unzstd.windowLog)
    // Not filled with zeros first: for a small bundle that would be most of the work.
    output = [UInt8](unsafeUninitializedCapacity: Unzstd.outputSize) { $1 = Unzstd.outputSize }
  }

  deinit { ZSTD_freeDCtx(context) }

  /// Hands what `bytes` unpack to, piece by piece, to `use`.
  public func feed(
    _ bytes: [UInt8], use: (ArraySlice<UInt8>) throws(BundleError) -> Void
  ) throws(BundleError) {
    try bytes.withUnsafeBufferPointer { (bytes) throws(BundleError) in
      try feed(bytes, use: use)
    }
  }

  func feed(
    _ bytes: UnsafeBufferPointer<UInt8>, use: (ArraySlice<UInt8>) throws(BundleError) -> Void
  ) throws(BundleError) {
    var position = 0
    while true {
      var input = ZSTD_inBuffer()
      var made = ZSTD_outBuffer()
      let hint = output.withUnsafeMutableBufferPointer { into in
        input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: position)
        made = ZSTD_outBuffer(dst: into.baseAddress, size: into.count, pos: 0)
        return ZSTD_decompressStream(context, &made, &input)
      }
      if ZSTD_isError(hint) != 0 { throw BundleError.notZstd(offset: taken) }
      if made.pos > 0 || input.pos > position { isBetweenFrames = hint == 0 }
      taken += UInt64(input.pos - position)
      given += UInt64(made.pos)
      position = input.pos
      if given > 1 << 20 && given / ratio > taken {
        throw BundleError.ratioTooHigh(offset: given, limit: ratio)
      }
      if made.pos > 0 { try use(output[0..<made.pos]) }
      if position == bytes.count && made.pos < output.count { return }
    }
  }

  public func finish() throws(BundleError) {
    if !isBetweenFrames { throw BundleError.compressedTruncated(offset: taken) }
  }
}
