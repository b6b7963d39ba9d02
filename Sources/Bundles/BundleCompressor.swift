import CZstd

/// One zstd frame with a checksum, as ``BundleWriter/compress(_:level:)`` makes it, from what comes piece by
/// piece.
final class BundleCompressor {
  private let context = ZSTD_createCCtx()
  private var output = [UInt8](repeating: 0, count: 131_072)

  /// What the agent's reader accepts: 1 MiB of history.
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
      // Only running out of memory can fail here, and that would have trapped before.
      precondition(ZSTD_isError(left) == 0)
      bundle += output[0..<made]
      if ends ? left == 0 : taken == bytes.count && made < output.count { return }
    }
  }
}
