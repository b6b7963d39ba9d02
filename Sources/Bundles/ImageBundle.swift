import Bytes
import Crypto
import Foundation
import Host
import Sandbox

/// Makes a bundle of a folder, of an OCI image layout (a folder or an archive), or of an archive of
/// `docker save`.
public struct ImageBundle {
  public struct Made: Sendable {
    public var sizeBytes: UInt64
    public var entries: UInt64
    /// SHA-256, as in contracts.
    public var digest: Bytes32
    public var platform: ImagePlatform?
    public var defaults: BundleDefaults
  }

  public var platform: ImagePlatform = .host
  /// The name of the image, if there are several.
  public var reference: String?
  public var level: Int32 = 9
  public var limits = ImageLimits()

  public init() {}

  /// An archive is an image; a folder is one if it contains `oci-layout`.
  public static func isImage(_ path: String) -> Bool {
    !Files.isFolder(path) || Files.exists(path + "/oci-layout")
  }

  public func make(of path: String, to output: String) throws(ImageError) -> Made {
    let layers = try LayerReader(limits: limits)
    var defaults = BundleDefaults()
    var found: ImagePlatform?
    if ImageBundle.isImage(path) {
      (found, defaults) = try readImage(path, into: layers)
    } else {
      try layers.add(folder: path)
    }
    let temporary = output + ".new"
    do throws(ImageError) {
      let file = try BundleFile(temporary, level: level, defaults: defaults)
      let digest = try file.write(layers)
      do throws(HostError) { try Files.rename(temporary, to: output) } catch {
        throw ImageError.host(error)
      }
      return Made(
        sizeBytes: file.sizeBytes, entries: file.entries, digest: digest, platform: found,
        defaults: defaults)
    } catch {
      try? Files.remove(temporary)
      throw error
    }
  }

  // MARK: Images

  private func readImage(
    _ path: String, into layers: LayerReader
  ) throws(ImageError) -> (ImagePlatform, BundleDefaults) {
    let source = try ImageSource(path, limits: limits)
    if try source.find("oci-layout") != nil, try source.find("index.json") != nil {
      return try readLayout(source, into: layers)
    }
    if try source.find("manifest.json") != nil { return try readDocker(source, into: layers) }
    throw .notAnImage(path: path)
  }

  private func readLayout(
    _ source: ImageSource, into layers: LayerReader
  ) throws(ImageError) -> (ImagePlatform, BundleDefaults) {
    let top = try source.document(ImageIndex.self, "index.json").manifests
    let named = try choose(top)
    var candidates: [(manifest: ImageManifest, config: ImageConfig)] = []
    try collect(named, source, depth: 0, &candidates)
    let (manifest, config) = try choose(candidates)
    if manifest.layers.count > ImageLimits.layers {
      throw .malformed(path: "manifest", problem: "too many layers")
    }
    try checkCount(manifest.layers.count, config)
    for (index, layer) in manifest.layers.enumerated() {
      let digest = try ImageSource.digest(layer.digest)
      let name = ImageSource.blob(digest)
      guard let file = try source.find(name) else {
        throw .malformed(path: name, problem: "is missing")
      }
      let got = try layers.apply(file, name: name)
      if got.stored != digest { throw .digest(path: name) }
      try check(got.diff, config, index, name)
    }
    return (config.platform, defaults(config))
  }

  /// The images of the given name; all if there is only one name.
  private func choose(_ manifests: [ImageDescriptor]) throws(ImageError) -> [ImageDescriptor] {
    let names = Set(manifests.compactMap(\.reference)).sorted()
    if let reference {
      let found = manifests.filter { descriptor in
        guard let name = descriptor.reference else { return false }
        return name == reference || name.hasSuffix("/" + reference)
      }
      if found.isEmpty { throw .noReference(wanted: reference, has: names) }
      return found
    }
    if names.count > 1 { throw .noReference(wanted: "", has: names) }
    return manifests
  }

  /// Every image that an index leads to, directly or not.
  private func collect(
    _ descriptors: [ImageDescriptor], _ source: ImageSource, depth: Int,
    _ candidates: inout [(manifest: ImageManifest, config: ImageConfig)]
  ) throws(ImageError) {
    for descriptor in descriptors {
      // Attestations (build records) have this platform.
      if descriptor.platform?.os == "unknown" { continue }
      if let platform = descriptor.platform {
        let theirs = ImagePlatform(
          os: platform.os, architecture: platform.architecture, variant: platform.variant)
        // A layout may lack other platforms' files: list them, but do not read them.
        if self.platform.rank(of: theirs) == nil {
          others.list.append(theirs.text)
          continue
        }
      }
      let digest = try ImageSource.digest(descriptor.digest)
      let name = ImageSource.blob(digest)
      if descriptor.isIndex {
        if depth > 3 { throw .malformed(path: name, problem: "indexes are nested too deeply") }
        let index = try source.document(ImageIndex.self, name, digest: digest)
        try collect(index.manifests, source, depth: depth + 1, &candidates)
        continue
      }
      if candidates.count >= 256 { throw .malformed(path: name, problem: "too many images") }
      let manifest = try source.document(ImageManifest.self, name, digest: digest)
      let configDigest = try ImageSource.digest(manifest.config.digest)
      let config = try source.document(
        ImageConfig.self, ImageSource.blob(configDigest), digest: configDigest)
      candidates.append((manifest, config))
    }
  }

  private final class Others { var list: [String] = [] }
  private let others = Others()

  /// The image that suits the wanted platform best.
  private func choose<Manifest>(
    _ candidates: [(manifest: Manifest, config: ImageConfig)]
  ) throws(ImageError) -> (Manifest, ImageConfig) {
    var best: (rank: Int, manifest: Manifest, config: ImageConfig)?
    for (manifest, config) in candidates {
      guard let rank = platform.rank(of: config.platform) else { continue }
      if let known = best, known.rank <= rank { continue }
      best = (rank, manifest, config)
    }
    if let best { return (best.manifest, best.config) }
    let has = others.list + candidates.map { $0.config.platform.text }
    throw .noPlatform(wanted: platform.text, has: Set(has).sorted())
  }

  private func readDocker(
    _ source: ImageSource, into layers: LayerReader
  ) throws(ImageError) -> (ImagePlatform, BundleDefaults) {
    let all = try source.document([DockerManifest].self, "manifest.json")
    let names = Set(all.flatMap { $0.names ?? [] }).sorted()
    var wanted = all
    if let reference {
      wanted = all.filter { ($0.names ?? []).contains(reference) }
      if wanted.isEmpty { throw .noReference(wanted: reference, has: names) }
    } else if all.count > 1 && names.count > 1 {
      throw .noReference(wanted: "", has: names)
    }
    var candidates: [(manifest: DockerManifest, config: ImageConfig)] = []
    for manifest in wanted.prefix(256) {
      // Its name is its digest.
      let name = manifest.config.split(separator: "/").last?.split(separator: ".").first ?? ""
      let digest = name.utf8.count == 64 ? Hex.decode(String(name)).map { Bytes32($0) } : nil
      candidates.append(
        (manifest, try source.document(ImageConfig.self, manifest.config, digest: digest)))
    }
    let (manifest, config) = try choose(candidates)
    if manifest.layers.count > ImageLimits.layers {
      throw .malformed(path: "manifest.json", problem: "too many layers")
    }
    try checkCount(manifest.layers.count, config)
    for (index, name) in manifest.layers.enumerated() {
      guard let file = try source.find(name) else {
        throw .malformed(path: name, problem: "is missing")
      }
      try check(try layers.apply(file, name: name).diff, config, index, name)
    }
    return (config.platform, defaults(config))
  }

  private func checkCount(_ count: Int, _ config: ImageConfig) throws(ImageError) {
    if config.rootfs.diffIds.count != count {
      throw .malformed(path: "image", problem: "its configuration lists another number of layers")
    }
  }

  /// Checks a layer's digest (of its uncompressed content) against the configuration.
  private func check(
    _ diff: Bytes32, _ config: ImageConfig, _ index: Int, _ name: String
  ) throws(ImageError) {
    if try ImageSource.digest(config.rootfs.diffIds[index]) != diff { throw .digest(path: name) }
  }

  private func defaults(_ config: ImageConfig) -> BundleDefaults {
    var defaults = BundleDefaults()
    defaults.arguments = (config.config?.entrypoint ?? []) + (config.config?.command ?? [])
    defaults.environment = config.config?.environment ?? []
    defaults.workdir = config.config?.workdir ?? ""
    defaults.processor = config.platform.processor
    return defaults
  }
}

extension LayerReader {
  /// The files of a local folder, as one layer. Anything but files, folders and links is refused.
  func add(folder: String) throws(ImageError) {
    do throws(HostError) { try add(folder, prefix: [], depth: 0) } catch { throw .host(error) }
  }

  private func add(_ folder: String, prefix: [UInt8], depth: Int) throws(HostError) {
    for entry in try FolderEntries.list(folder) {
      let path = entry.path
      let inside = prefix + Array(entry.name.utf8)
      // ``FileTree`` has this limit of depth.
      if depth + 1 >= ImageLimits.depth { throw .tooLarge(path: path, limit: ImageLimits.depth) }
      let mode = entry.status.mode & 0o777
      switch entry.status.kind {
      case .folder:
        _ = tree.putFolder(inside, mode: mode, layer: 1)
        try add(path, prefix: inside + [0x2f], depth: depth + 1)
      case .file:
        let content = FileTree.Content(.file(path: path), size: entry.status.sizeBytes, mode: mode)
        _ = tree.put(inside, .file(content), mode: mode, layer: 1)
      case .link:
        if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path) {
          _ = tree.put(inside, .link(Array(target.utf8)), mode: 0o777, layer: 1)
        }
      case .other: throw .notAFile(path: path)
      }
    }
  }
}
