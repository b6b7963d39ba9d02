import Foundation

/// One line of a measurement, in the form that `scripts/bench` reads.
struct Row: Encodable {
  let metric: String
  let subject: String
  let value: Double
  let unit: String

  func write() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    FileHandle.standardOutput.write(try encoder.encode(self) + Data("\n".utf8))
  }
}

/// What a rate is counted against.
enum Stopwatch {
  /// Time of this thread on a processor: for work that only computes. Others' load on the machine
  /// does not count, so the rate is that of one core to itself.
  case processor
  /// Time as it goes by: for work that waits for a disk.
  case wall

  func seconds(_ body: () throws -> Void) rethrows -> Double {
    let before = now()
    try body()
    return now() - before
  }

  private func now() -> Double {
    var time = timespec()
    clock_gettime(self == .processor ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}

/// Who does a part of the work that is measured.
struct Contestant {
  let name: String
  let work: () throws -> Void
}

/// The same amount of work by several contestants in turn, A B C A B C: what the machine does
/// meanwhile (heat, other programs, a disk's moods) meets all of them alike. The median of the rounds
/// counts.
struct Contest {
  let stopwatch: Stopwatch
  /// How many of the unit a round does.
  let amount: Double
  let unit: String
  /// How many calls of `work` make a round: the contestants take turns at every call.
  var calls = 1

  /// The median rate of each contestant, in their order.
  func rates(_ rounds: Int, _ contestants: [Contestant]) throws -> [Double] {
    var rates = contestants.map { _ in [Double]() }
    // One round more, which does not count: caches, files and branch predictors get warm.
    for round in 0...rounds {
      var seconds = contestants.map { _ in 0.0 }
      for _ in 0..<calls {
        for (index, contestant) in contestants.enumerated() {
          seconds[index] += try stopwatch.seconds(contestant.work)
        }
      }
      if round == 0 { continue }
      for index in contestants.indices { rates[index].append(amount / seconds[index]) }
    }
    return zip(contestants, rates).map { contestant, rates in
      let sorted = rates.sorted()
      let median = Contest.median(sorted)
      note(
        String(
          format: "%@: %.6g %@ (%d rounds, %.4g to %.4g)", contestant.name, median, unit, rounds,
          sorted[0], sorted[sorted.count - 1]))
      return median
    }
  }

  static func median(_ sorted: [Double]) -> Double {
    (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }
}
