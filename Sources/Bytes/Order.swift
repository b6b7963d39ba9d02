/// Sorting of indices: a generic sort is 4 KB of code for each kind of element.
public enum Order {
  /// The indices from 0 to below `count` in the order in which what they stand for comes. What is equal
  /// stays in its order.
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
