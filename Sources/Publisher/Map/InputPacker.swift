import Bundles
import Host

/// The files of one task as a bundle, made in small steps: a run has other things to do meanwhile.
final class InputPacker {
  let path: String
  private var source: FolderPacker?
  private var bundle: [UInt8] = []

  /// - Parameter path: a folder, or a bundle that was made before.
  init(_ path: String) throws(BundlesError) {
    self.path = path
    if Files.isFolder(path) {
      source = try FolderPacker(path)
    } else {
      bundle = try FolderBundle.read(path)
    }
  }

  /// Goes on until `nowMs` is reached; the bundle, when it is whole.
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
