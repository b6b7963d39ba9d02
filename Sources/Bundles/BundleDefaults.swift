import Foundation
import Market

/// Defaults for a task's options that its publisher does not give: an image's configuration, stored
/// in its bundle as a skippable frame (RFC 8878, 3.1.2) before the archive. `zstd` and agents skip
/// it.
public struct BundleDefaults: Codable, Equatable, Sendable {
  /// An image's entry point followed by its command.
  public var arguments: [String] = []
  /// `NAME=value`.
  public var environment: [String] = []
  /// If empty, the publisher's own default applies.
  public var workdir = ""
  /// A name of ``ProcessorSet``; nil for any.
  public var processor: String?

  /// ``processor`` as a set; nil for any.
  public var processorSet: ProcessorSet? { processor.flatMap { ProcessorSet(name: $0) } }

  public init() {}

  public var isEmpty: Bool { self == BundleDefaults() }

  private static let magic: [UInt8] = [0x5a, 0x2a, 0x4d, 0x18]
  private static let longest = 1 << 20

  func frame() -> [UInt8] {
    if isEmpty { return [] }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let json = (try? encoder.encode(self)).map { Array($0) } ?? []
    let size = (0..<4).map { UInt8(truncatingIfNeeded: json.count >> (8 * $0)) }
    return BundleDefaults.magic + size + json
  }

  /// Reads the defaults of a bundle; empty if it has none.
  public init(bundle: [UInt8]) {
    self.init()
    guard bundle.count >= 8, bundle.starts(with: BundleDefaults.magic) else { return }
    let size = (0..<4).reduce(0) { $0 | Int(bundle[4 + $1]) << (8 * $1) }
    guard size <= BundleDefaults.longest, bundle.count >= 8 + size,
      let found = try? JSONDecoder().decode(
        BundleDefaults.self, from: Data(bundle[8..<(8 + size)]))
    else { return }
    self = found
  }
}
