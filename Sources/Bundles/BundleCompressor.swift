import CZstd

/// Produces one zstd frame with a checksum, as ``BundleWriter/compress(_:level:)`` does, from input
/// in pieces.
final class BundleCompressor {
  private let context = ZSTD_createCCtx()
  private var output = [UInt8](repeating: 0, count: 131_072)

  /// The largest window that the agent's decoder accepts: 1 MiB.
  private static let windowLog: Int32 = 20

  init(level: Int32) {
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, BundleCompressor.windowLog)
  }

  deinit { ZSTD_freeCCtx(context) }

  func add(_ bytes: [UInt8], to bundle: inout [UInt8]) { compress(bytes, &bundle, ends: false) }
  func finish(_ bundle: inout [UInt8]) { compress([], &bundle, ends: true) }

  private func compress(_ bytes: [UInt8], _ bundle: inout [UInt8], ends: Bool) {
    var taken = 0
    while true {
      let (left, made) = bytes.withUnsafeBufferPointer { from in
        output.withUnsafeMutableBufferPointer { into in
          var source = ZSTD_inBuffer(src: from.baseAddress, size: from.count, pos: taken)
          var target = ZSTD_outBuffer(dst: into.baseAddress, size: into.count, pos: 0)
          let left = ZSTD_compressStream2(
            context, &target, &source, ends ? ZSTD_e_end : ZSTD_e_continue)
          taken = source.pos
          return (left, target.pos)
        }
      }
      // The only possible failure is a lack of memory, which traps earlier.
      precondition(ZSTD_isError(left) == 0)
      bundle += output[0..<made]
      if ends ? left == 0 : taken == bytes.count && made < output.count { return }
    }
  }
}
