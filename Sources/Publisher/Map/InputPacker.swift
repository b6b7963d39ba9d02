import Bundles
import Host

/// Packs one task's files into a bundle, in small steps, so that the event loop is not blocked.
final class InputPacker {
  let path: String
  private var source: FolderPacker?
  private var bundle: [UInt8] = []

  /// - Parameter path: a folder, or an existing bundle.
  init(_ path: String) throws(BundlesError) {
    self.path = path
    if Files.isFolder(path) {
      source = try FolderPacker(path)
    } else {
      bundle = try FolderBundle.read(path)
    }
  }

  /// Works until `untilMs`. Returns the bundle once it is complete.
  func step(untilMs: UInt64) throws(BundlesError) -> [UInt8]? {
    while let source {
      if let whole = try source.step() {
        self.source = nil
        bundle = whole
      } else if Clock.monotonicMs() >= untilMs {
        return nil
      }
    }
    return bundle
  }
}
