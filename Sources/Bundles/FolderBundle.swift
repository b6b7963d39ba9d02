import Host
import Sandbox

/// A folder as a bundle: the same files always give the same bytes.
public enum FolderBundle {
  /// A run holds its bundles in memory, and so does a machine, by default not more than 64 MiB: what is
  /// larger is fetched by the job, not carried to it.
  public static let maxBytes = 1 << 30

  /// - Parameter limit: the most that the bundle may have, bytes. The folder may hold more: it is compressed
  ///   as it is read.
  public static func make(_ folder: String, limit: Int = maxBytes) throws(BundlesError) -> [UInt8] {
    let packer = try FolderPacker(folder, limit: limit)
    while true {
      if let bundle = try packer.step() { return bundle }
    }
  }

  fileprivate static func tooLarge(_ path: String, _ limit: Int) -> BundlesError {
    .usage("\(path): as a bundle it is larger than \(limit) bytes, which is the most for a job")
  }

  /// A bundle that was made before.
  public static func read(_ path: String, limit: Int = maxBytes) throws(BundlesError) -> [UInt8] {
    do throws(HostError) { return try Files.read(path, limit: limit) } catch {
      if case .tooLarge = error { throw tooLarge(path, limit) }
      throw .host(error)
    }
  }
}

/// Makes a folder's bundle in steps, for a program that has other things to do meanwhile.
public final class FolderPacker {
  private let folder: String
  private let limit: Int
  private let tar: FolderTar
  private let compressor = BundleCompressor(level: 9)
  private var bundle: [UInt8] = []

  /// - Parameter limit: the most that the bundle may have, bytes.
  public init(_ folder: String, limit: Int = FolderBundle.maxBytes) throws(BundlesError) {
    self.folder = folder
    self.limit = limit
    tar = try FolderTar(folder, isNamed: false)
  }

  /// Takes at most ``FolderTar/pieceBytes`` more; the bundle, when it is whole.
  public func step() throws(BundlesError) -> [UInt8]? {
    let piece = try tar.next()
    if let piece { compressor.add(piece, to: &bundle) } else { compressor.finish(&bundle) }
    if bundle.count > limit { throw FolderBundle.tooLarge(folder, limit) }
    return piece == nil ? bundle : nil
  }
}
