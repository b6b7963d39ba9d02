import Sandbox

/// What a machine would refuse of a bundle is refused before anything is announced or paid.
public enum BundleCheck {
  /// Unpacks to nowhere; what is found on the way tells what the job's program is for.
  /// - Parameters:
  ///   - name: of the bundle, for the error.
  ///   - diskMiB: what the job's files may have.
  ///   - memoryMiB: what the job may have, its files included.
  @discardableResult public static func check(
    _ bundle: [UInt8], name: String, diskMiB: UInt32, memoryMiB: UInt32
  ) throws(RunError) -> ProgramFinder {
    let mostMiB = min(diskMiB, memoryMiB)
    let limits = BundleLimits(
      entries: JobLimits.ordinaryFiles, bytes: UInt64(mostMiB) << 20)
    var reader = BundleReader(limits: limits)
    let unzstd = Unzstd(ratio: limits.ratio)
    var last: [UInt8] = []
    var finder = ProgramFinder()
    do throws(BundleError) {
      try unzstd.feed(bundle) { (piece) throws(BundleError) in
        try reader.feed(piece) { (item, _) throws(BundleError) in
          switch item {
          case .directory(let path, _), .file(let path, _, _), .symlink(let path, _),
            .hardlink(let path, _), .leftOut(let path):
            last = path
          case .data, .fileEnded: break
          }
          finder.take(item)
        } useData: { (bytes, _) throws(BundleError) in
          finder.take(data: bytes)
        }
      }
      try unzstd.finish()
      try reader.finish()
    } catch {
      if case .tooLarge = error {
        let option = mostMiB < diskMiB ? "--memory, of which files are a part" : "--disk"
        throw .usage("\(name): its files have more than \(mostMiB) MiB (\(option))")
      }
      throw .bundle(path: name + (last.isEmpty ? "" : ", after " + LayerReader.shown(last)), error)
    }
    return finder
  }
}
