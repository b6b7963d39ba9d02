import Foundation

/// The JSON documents of an image (OCI image specification 1.1: `image-index.md`, `manifest.md`,
/// `config.md`; Docker's `manifest.json`), with the fields that are used here.
struct ImageDescriptor: Decodable {
  struct Platform: Decodable {
    var architecture: String
    var os: String
    var variant: String?
  }
  var mediaType: String?
  var digest: String
  var size: UInt64
  var platform: Platform?
  var annotations: [String: String]?

  /// The image's name.
  var reference: String? {
    annotations?["io.containerd.image.name"] ?? annotations?["org.opencontainers.image.ref.name"]
  }

  var isIndex: Bool {
    mediaType == "application/vnd.oci.image.index.v1+json"
      || mediaType == "application/vnd.docker.distribution.manifest.list.v2+json"
  }
}

struct ImageIndex: Decodable {
  var manifests: [ImageDescriptor]
}

struct ImageManifest: Decodable {
  var config: ImageDescriptor
  var layers: [ImageDescriptor]
}

struct ImageConfig: Decodable {
  struct Run: Decodable {
    var environment: [String]?
    var entrypoint: [String]?
    var command: [String]?
    var workdir: String?

    enum CodingKeys: String, CodingKey {
      case environment = "Env"
      case entrypoint = "Entrypoint"
      case command = "Cmd"
      case workdir = "WorkingDir"
    }
  }
  struct RootFileSystem: Decodable {
    var diffIds: [String]

    enum CodingKeys: String, CodingKey { case diffIds = "diff_ids" }
  }
  var architecture: String
  var os: String
  var variant: String?
  var config: Run?
  var rootfs: RootFileSystem

  var platform: ImagePlatform {
    ImagePlatform(os: os, architecture: architecture, variant: variant)
  }
}

/// An entry of `docker save`'s `manifest.json`.
struct DockerManifest: Decodable {
  var config: String
  var names: [String]?
  var layers: [String]

  enum CodingKeys: String, CodingKey {
    case config = "Config"
    case names = "RepoTags"
    case layers = "Layers"
  }
}

/// An operating system and a processor architecture, as images name them.
public struct ImagePlatform: Equatable, Sendable {
  public var os: String
  public var architecture: String
  public var variant: String?

  init(os: String, architecture: String, variant: String?) {
    self.os = os
    self.architecture = architecture
    self.variant = variant == "" ? nil : variant
  }

  /// Parses `linux/arm/v7`, `arm64`, or the kernel's names: `x86_64`, `armv7`.
  public init?(text: String) {
    let known = [
      "x86_64": "amd64", "i686": "386", "i386": "386", "aarch64": "arm64", "armv6": "arm/v6",
      "armv7": "arm/v7", "armv7l": "arm/v7", "armv6l": "arm/v6",
    ]
    var parts = (known[text] ?? text).split(separator: "/").map(String.init)
    if parts.first == "linux" { parts.removeFirst() }
    if parts.isEmpty || parts.count > 2 || parts.contains("") { return nil }
    self.init(
      os: "linux", architecture: parts[0], variant: parts.count == 2 ? parts[1] : nil)
  }

  /// This host's platform.
  public static var host: ImagePlatform {
    var name = utsname()
    uname(&name)
    let machine = withUnsafeBytes(of: name.machine) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
    return ImagePlatform(text: machine)
      ?? ImagePlatform(os: "linux", architecture: machine, variant: nil)
  }

  public var text: String {
    os + "/" + architecture + (variant.map { "/" + $0 } ?? "")
  }

  /// The processor's name in a publisher's offer; nil for processors that no agent supports.
  var processor: String? {
    switch (architecture, variant) {
    case ("amd64", _): return "x86_64"
    case ("386", _): return "i686"
    case ("arm64", _): return "aarch64"
    case ("arm", "v7"), ("arm", nil): return "armv7"
    case ("arm", _): return "armv6"
    case ("riscv64", _): return "riscv64"
    default: return nil
    }
  }

  /// How well programs for `other` run on this platform, 0 best; nil if they cannot run.
  func rank(of other: ImagePlatform) -> Int? {
    if other.os != os || other.architecture != architecture { return nil }
    switch architecture {
    case "arm":
      let own = ImagePlatform.armVersion(variant)
      let theirs = ImagePlatform.armVersion(other.variant)
      return theirs <= own ? own - theirs : nil
    case "amd64":
      // x86-64-v2 and later need instructions that some hosts lack.
      return other.variant == nil || other.variant == "v1" || other.variant == variant ? 0 : nil
    default: return 0
    }
  }

  private static func armVersion(_ variant: String?) -> Int {
    Int((variant ?? "v7").dropFirst()) ?? 7
  }
}
