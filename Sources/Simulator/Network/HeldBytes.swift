/// Estimates the memory that any value holds, in bytes, to check limits on memory that peers can
/// make a program use. Long lists of similar elements are sampled.
public enum HeldBytes {
  private static let sampled = 48
  private static let perElement = 8

  public static func of(_ value: Any) -> Int {
    if let bytes = value as? [UInt8] { return bytes.count }
    let mirror = Mirror(reflecting: value)
    if mirror.children.isEmpty { return perElement }
    var bytes = 0
    switch mirror.displayStyle {
    case .collection, .set, .dictionary:
      let count = mirror.children.count
      for child in mirror.children.prefix(sampled) { bytes += perElement + of(child.value) }
      return count > sampled ? bytes / sampled * count : bytes
    default:
      for child in mirror.children { bytes += of(child.value) }
      return bytes
    }
  }
}
