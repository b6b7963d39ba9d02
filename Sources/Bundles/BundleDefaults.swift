import Foundation
import Market

/// What a job does when its publisher does not say it: an image's configuration, carried in its bundle
/// as a skippable frame (RFC 8878, 3.1.2) before the archive, which `zstd` and the machines pass over.
public struct BundleDefaults: Codable, Equatable, Sendable {
  /// An image's entry point and command, one after the other.
  public var arguments: [String] = []
  /// `NAME=value`.
  public var environment: [String] = []
  /// Empty: the publisher's own default.
  public var workdir = ""
  /// As ``ProcessorSet`` names it; nil for any.
  public var processor: String?

  /// The same; nil for any.
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

  /// Of a bundle; empty where it carries none.
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
