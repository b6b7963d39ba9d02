/// Sorting by indices: a generic sort would add 4 KB of code for each element type.
public enum Order {
  /// The indices from 0 to `count` less one, in the sorted order of their elements. The sort is
  /// stable.
  @inline(never)
  public static func of(_ count: Int, _ isBefore: (_ left: Int, _ right: Int) -> Bool) -> [Int] {
    var indices = Array(0..<count)
    indices.sort { left, right in
      if isBefore(left, right) { return true }
      return left < right && !isBefore(right, left)
    }
    return indices
  }
}
