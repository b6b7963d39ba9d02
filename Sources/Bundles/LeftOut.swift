import Sandbox

/// What an unpacked archive of a provider lacks: links, and files that the provider could not pack,
/// of which the archive has only the names.
public struct LeftOut: Equatable, Sendable {
  private var links: UInt64 = 0
  private var others: UInt64 = 0
  /// The first names of the others.
  private var names: [String] = []

  private static let shownNames = 3

  public init() {}

  /// Whether the provider could not pack every file. Links are left out on purpose.
  public var isPartial: Bool { others > 0 }

  mutating func add(_ item: BundleItem) {
    switch item {
    case .leftOut(let path):
      others += 1
      if names.count < LeftOut.shownNames {
        names.append(path.isEmpty ? "." : LayerReader.shown(path))
      }
    case .symlink, .hardlink: links += 1
    case .directory, .file, .data, .fileEnded: break
    }
  }

  /// Nil if nothing was left out.
  public var text: String? {
    var parts: [String] = []
    if links > 0 { parts.append("\(links) link\(links == 1 ? "" : "s")") }
    if others > 0 {
      let more = others - UInt64(names.count)
      parts.append(
        names.joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
          + " (not a regular file, unreadable, or beyond the limit)")
    }
    return parts.isEmpty ? nil : "left out: " + parts.joined(separator: "; ")
  }
}
