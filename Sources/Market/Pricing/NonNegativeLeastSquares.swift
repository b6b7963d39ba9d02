import Bitcoin

/// Non-negative least squares, by the active sets of Lawson and Hanson ("Solving Least Squares
/// Problems", 1974, chapter 23), over the normal equations: a handful of unknowns, a few dozen
/// rows. A pseudo-inverse would give negative rates, and somebody would be paid for using more.
enum NonNegativeLeastSquares {
  /// The `x`, none of it negative, that brings `rows · x` nearest to `targets`. All rows have the
  /// same length. A column of zeros, or one that repeats others, gets zero.
  static func solve(rows: [[Double]], targets: [Double]) -> [Double] {
    guard let columns = rows.first?.count, columns > 0 else { return [] }
    // Columns of length one to two, by a power of two, which rounds nothing: kinds of use differ by
    // many orders of magnitude. (No square root: it would need the C library's mathematics.)
    var scale = [Double](repeating: 0, count: columns)
    for row in rows { for column in 0..<columns { scale[column] += row[column] * row[column] } }
    for column in 0..<columns where scale[column] > 0 {
      let half = scale[column].exponent >> 1
      scale[column] = Double(sign: .plus, exponent: half, significand: 1)
    }
    var gram = [[Double]](
      repeating: [Double](repeating: 0, count: columns), count: columns)
    var projected = [Double](repeating: 0, count: columns)
    for (row, target) in zip(rows, targets) {
      for left in 0..<columns where scale[left] > 0 {
        projected[left] += row[left] / scale[left] * target
        for right in 0..<columns where scale[right] > 0 {
          gram[left][right] += row[left] / scale[left] * (row[right] / scale[right])
        }
      }
    }
    var solution = activeSets(gram, projected)
    for column in 0..<columns {
      solution[column] = scale[column] > 0 ? solution[column] / scale[column] : 0
    }
    return solution
  }

  /// Minimises `x·G·x / 2 − p·x` for `x ≥ 0`.
  private static func activeSets(_ gram: [[Double]], _ projected: [Double]) -> [Double] {
    let count = projected.count
    var solution = [Double](repeating: 0, count: count)
    var isPassive = [Bool](repeating: false, count: count)
    var isBarred = [Bool](repeating: false, count: count)
    var largest = 0.0
    for value in projected { largest = max(largest, value.magnitude) }
    let tolerance = largest * 1e-11
    // Each turn brings the optimum strictly nearer; the bound is for arithmetic that disagrees.
    for _ in 0..<(30 * count) {
      let slope = gradient(gram, projected, solution)
      var best: Int?
      for index in 0..<count where !isPassive[index] && !isBarred[index] {
        if slope[index] > tolerance && (best == nil || slope[index] > slope[best!]) { best = index }
      }
      guard let entering = best else { break }
      isPassive[entering] = true
      guard var trial = solveEqualities(gram, projected, isPassive) else {
        // This column repeats those that are in already.
        isPassive[entering] = false
        isBarred[entering] = true
        continue
      }
      while let (step, leaving) = firstAtZero(solution, trial, isPassive) {
        for index in 0..<count where isPassive[index] {
          solution[index] += step * (trial[index] - solution[index])
        }
        solution[leaving] = 0
        isPassive[leaving] = false
        guard let next = solveEqualities(gram, projected, isPassive) else { break }
        trial = next
      }
      solution = trial
    }
    for index in 0..<count where solution[index] < 0 { solution[index] = 0 }
    return solution
  }

  /// Half the descent direction: `p − G·x`.
  private static func gradient(
    _ gram: [[Double]], _ projected: [Double], _ solution: [Double]
  ) -> [Double] {
    var slope = projected
    for row in gram.indices {
      for column in gram.indices { slope[row] -= gram[row][column] * solution[column] }
    }
    return slope
  }

  /// On the way to `trial`: which passive unknown comes to zero first, and after what part of it; nil
  /// if none does.
  private static func firstAtZero(
    _ solution: [Double], _ trial: [Double], _ isPassive: [Bool]
  ) -> (step: Double, index: Int)? {
    var first: (step: Double, index: Int)?
    for index in trial.indices where isPassive[index] && trial[index] <= 0 {
      let fall = solution[index] - trial[index]
      let step = solution[index] > 0 && fall > 0 ? solution[index] / fall : 0
      if first == nil || step < first!.step { first = (step, index) }
    }
    return first
  }

  /// Solves `G·x = p` over the passive unknowns, the others zero, by Gaussian elimination with the
  /// largest pivots. Nil where the columns depend on each other.
  private static func solveEqualities(
    _ gram: [[Double]], _ projected: [Double], _ isPassive: [Bool]
  ) -> [Double]? {
    let chosen = isPassive.indices.filter { isPassive[$0] }
    let count = chosen.count
    var matrix = chosen.map { row in chosen.map { gram[row][$0] } + [projected[row]] }
    for pivot in 0..<count {
      var largest = pivot
      for row in pivot..<count
      where matrix[row][pivot].magnitude > matrix[largest][pivot].magnitude { largest = row }
      // Columns have lengths near one, so that this is the square of an angle.
      if matrix[largest][pivot].magnitude < 1e-9 { return nil }
      matrix.swapAt(pivot, largest)
      for row in (pivot + 1)..<max(count, pivot + 1) {
        let factor = matrix[row][pivot] / matrix[pivot][pivot]
        for column in pivot...count { matrix[row][column] -= factor * matrix[pivot][column] }
      }
    }
    var answer = [Double](repeating: 0, count: isPassive.count)
    for row in (0..<count).reversed() {
      var value = matrix[row][count]
      for column in (row + 1)..<max(count, row + 1) {
        value -= matrix[row][column] * answer[chosen[column]]
      }
      answer[chosen[row]] = value / matrix[row][row]
    }
    return answer
  }
}
