import Bundles
import Bytes
import Crypto
import Foundation
import Sandbox

extension FuzzTarget {
  /// An archive of an OCI layout, or of `docker save`, that somebody else made. The input is a list of
  /// names and contents, from which the archive is made: in both `$0` to `$9` stand for the digests of
  /// the contents before, and what `%` begins is a tar whose headers' checksums are made right.
  /// An input that begins with 1 is the archive itself.
  static let image = FuzzTarget(
    name: "image",
    run: { (bytes) throws(FuzzFinding) in
      var input = FuzzInput(bytes)
      let isRaw = input.below(2) == 1
      let archive = isRaw ? mended(input.rest()) : imageArchive(&input)
      let folder = scratch("image")
      defer { leaveScratch("image") }
      let path = folder + "/image.tar"
      let bundle = folder + "/bundle.tar.zst"
      try? Data(archive).write(to: URL(fileURLWithPath: path))
      var maker = ImageBundle()
      maker.platform = ImagePlatform(text: "amd64")!
      maker.level = 1
      maker.limits.bytes = 1 << 20
      maker.limits.entries = 300
      var made: ImageBundle.Made?
      do throws(ImageError) { made = try maker.make(of: path, to: bundle) } catch {
        try require(!error.message.isEmpty, "an error says what is wrong")
      }
      if let made {
        let bytes = FileManager.default.contents(atPath: bundle).map { [UInt8]($0) } ?? []
        try require(Sha256.hash(bytes) == made.digest, "a bundle's digest is its own")
        try require(UInt64(bytes.count) == made.sizeBytes, "a bundle's size is its own")
        try checkBundle(bytes, entries: made.entries)
        try require(BundleDefaults(bundle: bytes) == made.defaults, "a bundle brings its defaults")
        try? FileManager.default.removeItem(atPath: bundle)
      }
      try? FileManager.default.removeItem(atPath: path)
      let left = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? ["?"]
      try require(left.isEmpty, "nothing is left of an image: \(left)")
    }, seeds: { imageSeeds })

  /// A folder in memory for one target of this process: tests run several at a time. libFuzzer ends
  /// without a word to anybody, so ``leaveScratch(_:)`` comes after every input, and what those leave
  /// that an input ended is removed by whoever comes next.
  static func scratch(_ target: String) -> String {
    let folder = scratchPrefix + target
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    return folder
  }

  static func leaveScratch(_ target: String) { rmdir(scratchPrefix + target) }

  private static let scratchPrefix: String = {
    let manager = FileManager.default
    let name = "zennet-fuzz-"
    for other in (try? manager.contentsOfDirectory(atPath: "/dev/shm")) ?? []
    where other.hasPrefix(name) {
      // Its own number, too, may be that of a process before it.
      let process = Int32(other.dropFirst(name.count).prefix { $0.isNumber }) ?? 0
      if process == getpid() || (process > 0 && kill(process, 0) != 0 && errno == ESRCH) {
        try? manager.removeItem(atPath: "/dev/shm/" + other)
      }
    }
    let prefix = "/dev/shm/" + name + String(getpid()) + "-"
    // What the image's own parts take for theirs. A process of tests has other users of it.
    if ProcessInfo.processInfo.environment["ZENNET_FUZZ_TARGET"] != nil {
      setenv("TMPDIR", prefix + "image", 1)
    }
    return prefix
  }()

  /// What is made must be what machines take.
  private static func checkBundle(_ bytes: [UInt8], entries: UInt64) throws(FuzzFinding) {
    var reader = BundleReader(limits: BundleLimits(entries: 5_000, bytes: 1 << 22))
    let unzstd = Unzstd(ratio: 100_000)
    var count: UInt64 = 0
    do throws(BundleError) {
      try unzstd.feed(bytes) { (piece) throws(BundleError) in
        try reader.feed(piece) { (item, _) throws(BundleError) in
          switch item {
          case .data, .fileEnded, .leftOut: break
          default: count += 1
          }
        }
      }
      try unzstd.finish()
      try reader.finish()
    } catch { throw FuzzFinding(broken: "machines take what is made: " + error.message) }
    try require(count == entries, "a bundle has as many entries as are told")
  }

  // MARK: The archive

  private static func imageArchive(_ input: inout FuzzInput) -> [UInt8] {
    var writer = BundleWriter()
    var digests: [String] = []
    while !input.isAtEnd && digests.count < 12 {
      let name = filled(input.piece(), digests)
      var content = input.piece()
      if content.first == 0x25 {
        content = mended(Array(content.dropFirst()))
      } else {
        content = filled(content, digests)
      }
      digests.append(Sha256.hash(content).hex)
      let text = String(decoding: filled(name, digests), as: UTF8.self)
      writer.addFile(text.isEmpty || text.utf8.count > 90 ? "x" : text, content)
    }
    return (try? writer.tar()) ?? []
  }

  private static func filled(_ text: [UInt8], _ digests: [String]) -> [UInt8] {
    var filled: [UInt8] = []
    var index = 0
    while index < text.count {
      let next = index + 1 < text.count ? Int(text[index + 1]) - 0x30 : -1
      if text[index] == 0x24 && digests.indices.contains(next) {
        filled += digests[next].utf8
        index += 2
      } else {
        filled.append(text[index])
        index += 1
      }
    }
    return filled
  }

  // MARK: Seeds

  private static let imageSeeds: [[UInt8]] = {
    var first = BundleWriter()
    first.addDirectory("bin")
    first.addFile("bin/sh", Array("#!\n".utf8), mode: 0o755)
    first.addSymlink("bin/ls", to: "sh")
    first.addFile("etc/motd", Array("hello".utf8))
    var second = BundleWriter()
    second.addFile("etc/.wh.motd", [])
    second.addFile("bin/.wh..wh..opq", [])
    second.addFile("work/a", [1, 2, 3])
    let layers = [first, second].map { [0x25] + (try! $0.tar()) }
    let config = """
      {"architecture":"amd64","os":"linux","config":{"Env":["A=b"],"Entrypoint":["/bin/sh"],\
      "Cmd":["-c"],"WorkingDir":"/work"},"rootfs":{"type":"layers","diff_ids":["sha256:$0",\
      "sha256:$1"]}}
      """
    func entries(_ list: [(String, [UInt8])]) -> [UInt8] {
      var seed = SeedWriter()
      seed.u8(0)
      for (name, content) in list {
        seed.piece(Array(name.utf8))
        seed.piece(content)
      }
      return seed.bytes
    }
    func descriptor(_ digit: Int, _ type: String = "x") -> String {
      "{\"mediaType\":\"\(type)\",\"digest\":\"sha256:$\(digit)\",\"size\":1}"
    }
    let manifest = """
      {"config":\(descriptor(2)),"layers":[\(descriptor(0)),\(descriptor(1))]}
      """
    let index = "{\"manifests\":[\(descriptor(3))]}"
    let nested = "{\"manifests\":[\(descriptor(4, "application/vnd.oci.image.index.v1+json"))]}"
    let blobs = [
      ("blobs/sha256/$0", layers[0]), ("blobs/sha256/$1", layers[1]),
      ("blobs/sha256/$2", Array(config.utf8)), ("blobs/sha256/$3", Array(manifest.utf8)),
    ]
    let layout: (String, [UInt8]) = ("oci-layout", Array("{}".utf8))
    let docker = """
      [{"Config":"$2.json","RepoTags":["a:b"],"Layers":["one/layer.tar","two/layer.tar"]}]
      """
    return [
      entries(blobs + [("index.json", Array(index.utf8)), layout]),
      entries(
        blobs + [
          ("blobs/sha256/$4", Array(index.utf8)), ("index.json", Array(nested.utf8)), layout,
        ]),
      entries([
        ("one/layer.tar", layers[0]), ("two/layer.tar", layers[1]),
        ("$2.json", Array(config.utf8)), ("manifest.json", Array(docker.utf8)),
      ]),
      [1] + (try! first.tar()),
    ]
  }()
}
