import ArgumentParser
import Bundles
import Bytes

/// `zennet bundle SOURCE`: creates a bundle from a folder or an image.
struct BundleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bundle",
    abstract: "Make a bundle (tar.zst) from a folder or an image.",
    discussion: """
      SOURCE is a folder of files, an OCI image layout (a folder or its archive), or an archive of \
      `docker save`; archives may be compressed. The same files always give the same bytes. For an \
      image, layers and whiteouts are applied and every digest is checked; its program, \
      environment and working directory become the defaults of `zennet run --bundle`.
      """)

  @Argument(help: "A folder, an OCI image layout, or an archive of docker save.")
  var source: String

  @Option(name: .shortAndLong, help: "The bundle, by convention NAME.tar.zst.")
  var output: String

  @Option(
    help: "An image's platform: linux/arm/v7, arm64, x86_64 …; by default this machine's."
  )
  var platform: String?

  @Option(name: .customLong("ref"), help: "The image's name, if there are several.")
  var reference: String?

  @Option(help: "The zstd compression level, 1 to 19.")
  var level: Int32 = 9

  @Option(help: "The largest unpacked size of an image, in MiB.")
  var maxSize: UInt64 = 8192

  @Flag(help: "Print JSON for programs.")
  var json = false

  private struct Report: Encodable {
    var bundle: String
    var bytes: UInt64
    var entries: UInt64
    var sha256: String
    var platform: String?
    var arguments: [String]
    var environment: [String]
    var workdir: String
  }

  func run() throws {
    var bundle = ImageBundle()
    if let platform {
      guard let known = ImagePlatform(text: platform) else {
        throw ValidationError("--platform: such as linux/arm/v7, arm64 or x86_64")
      }
      bundle.platform = known
    }
    if !(1...19).contains(level) { throw ValidationError("--level: 1 to 19") }
    if maxSize < 1 || maxSize > 1 << 24 { throw ValidationError("--max-size: 1 to 16777216") }
    bundle.reference = reference
    bundle.level = level
    bundle.limits.bytes = maxSize << 20
    let made: ImageBundle.Made
    do throws(ImageError) { made = try bundle.make(of: source, to: output) } catch {
      Complaint.tell(error.message)
      throw ExitCode.failure
    }
    if json {
      let report = Report(
        bundle: output, bytes: made.sizeBytes, entries: made.entries, sha256: made.digest.hex,
        platform: made.platform?.text, arguments: made.defaults.arguments,
        environment: made.defaults.environment, workdir: made.defaults.workdir)
      return Output.json(report)
    }
    Output.line(
      "\(output): \(made.entries) entries, \(made.sizeBytes) bytes, SHA-256 \(made.digest.hex)"
    )
    if let platform = made.platform { Output.line("for \(platform.text)") }
    if !made.defaults.arguments.isEmpty {
      Output.line("runs \(made.defaults.arguments.joined(separator: " "))")
    }
  }
}
