import Host
import Sandbox

/// Packs a folder as a bundle: the same files always give the same bytes.
public enum FolderBundle {
  /// Runs hold their bundles in memory, and so do providers (by default at most 64 MiB): a task
  /// must fetch larger data itself.
  public static let maxBytes = 1 << 30

  /// - Parameter limit: the largest bundle, in bytes, compressed. The folder may be larger.
  public static func make(_ folder: String, limit: Int = maxBytes) throws(BundlesError) -> [UInt8] {
    let packer = try FolderPacker(folder, limit: limit)
    while true {
      if let bundle = try packer.step() { return bundle }
    }
  }

  fileprivate static func tooLarge(_ path: String, _ limit: Int) -> BundlesError {
    .usage("\(path): larger than \(limit) bytes as a bundle, the limit for a task")
  }

  /// Reads an existing bundle.
  public static func read(_ path: String, limit: Int = maxBytes) throws(BundlesError) -> [UInt8] {
    do throws(HostError) { return try Files.read(path, limit: limit) } catch {
      if case .tooLarge = error { throw tooLarge(path, limit) }
      throw .host(error)
    }
  }
}

/// Packs a folder in steps, for a program that handles other events meanwhile.
public final class FolderPacker {
  private let folder: String
  private let limit: Int
  private let tar: FolderTar
  private let compressor = BundleCompressor(level: 9)
  private var bundle: [UInt8] = []

  /// - Parameter limit: the largest bundle, in bytes.
  public init(_ folder: String, limit: Int = FolderBundle.maxBytes) throws(BundlesError) {
    self.folder = folder
    self.limit = limit
    tar = try FolderTar(folder, isNamed: false)
  }

  /// Packs at most ``FolderTar/pieceBytes`` more; returns the bundle when it is complete.
  public func step() throws(BundlesError) -> [UInt8]? {
    let piece = try tar.next()
    if let piece { compressor.add(piece, to: &bundle) } else { compressor.finish(&bundle) }
    if bundle.count > limit { throw FolderBundle.tooLarge(folder, limit) }
    return piece == nil ? bundle : nil
  }
}
