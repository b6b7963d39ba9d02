import Sandbox

/// The content of a bundle as a provider would see it: alone, or on top of the bundles below it in
/// a task's stack.
public struct CheckedBundle {
  /// The programs of the bundle and of those below it.
  public fileprivate(set) var programs = ProgramFinder()
  /// Total size of files, in bytes, and number of entries in the stack so far.
  public fileprivate(set) var fileBytes: UInt64 = 0
  public fileprivate(set) var entries: UInt64 = 0

  /// An empty stack, for the first bundle.
  public init() {}

  /// The same sizes without the programs, for many bundles on top of one that has the program.
  public var sizes: CheckedBundle {
    var sizes = CheckedBundle()
    sizes.fileBytes = fileBytes
    sizes.entries = entries
    return sizes
  }
}

/// Refuses bundles that a provider would refuse, before anything is announced or paid.
public enum BundleCheck {
  /// Decodes the bundle without storing it, and collects its programs and sizes.
  /// - Parameters:
  ///   - name: the bundle's name, for errors.
  ///   - diskMiB: the task's limit of files.
  ///   - memoryMiB: the task's memory limit, files included.
  ///   - below: the bundles below this one.
  @discardableResult public static func check(
    _ bundle: [UInt8], name: String, diskMiB: UInt32, memoryMiB: UInt32,
    on below: CheckedBundle = CheckedBundle()
  ) throws(BundlesError) -> CheckedBundle {
    let mostMiB = min(diskMiB, memoryMiB)
    let most = UInt64(mostMiB) << 20
    let limits = BundleLimits(
      entries: JobLimits.ordinaryFiles - min(below.entries, JobLimits.ordinaryFiles),
      bytes: most - min(below.fileBytes, most))
    var reader = BundleReader(limits: limits)
    let unzstd = Unzstd(ratio: limits.ratio)
    var last: [UInt8] = []
    var checked = below
    do throws(BundleError) {
      try unzstd.feed(bundle) { (piece) throws(BundleError) in
        try reader.feed(piece) { (item, _) throws(BundleError) in
          switch item {
          case .directory(let path, _), .file(let path, _, _), .symlink(let path, _),
            .hardlink(let path, _), .leftOut(let path):
            last = path
            checked.entries += 1
          case .data, .fileEnded: break
          }
          checked.programs.take(item)
        } useData: { (bytes, _) throws(BundleError) in
          checked.fileBytes += UInt64(bytes.count)
          checked.programs.take(data: bytes)
        }
      }
      try unzstd.finish()
      try reader.finish()
    } catch {
      if case .tooLarge = error {
        let option = mostMiB < diskMiB ? "--memory, which includes files" : "--disk"
        let all = below.entries > 0 ? "its files and those of the bundles below" : "its files"
        throw .usage("\(name): \(all) have more than \(mostMiB) MiB (\(option))")
      }
      throw .bundle(path: name + (last.isEmpty ? "" : ", after " + LayerReader.shown(last)), error)
    }
    return checked
  }
}
