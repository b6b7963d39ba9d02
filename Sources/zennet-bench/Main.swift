import Crypto
import Foundation

/// Micro-measurements of Zennet beside the bare libraries beneath it. Prints one JSON row a line on
/// standard output, and how far the rounds were apart on standard error. `scripts/bench` runs it.
@main
enum Main {
  static let usage = """
    usage: zennet-bench flow --folder FOLDER [--rounds N] [--small]
      --folder   where the databases are made; the disk that is to be measured
      --rounds   how often every contestant is measured (21)
      --small    little work a round: shows that all of it runs, not how fast
    """

  static func main() {
    guard let options = Options(CommandLine.arguments.dropFirst()) else { fail(usage, 64) }
    if !CryptoLibrary.start() { fail("zennet-bench: libsodium does not start", 70) }
    do {
      let verification = try PaymentVerification(payments: options.isSmall ? 4 : 200)
      try verification.measure(options.rounds)
      try PaymentStorage(
        folder: options.folder, commits: options.isSmall ? 4 : 250,
        stateBytes: try verification.stateBytes()
      ).measure((options.rounds + 1) / 2)  // Disks are slow, and rounds of 250 commits long.
      try SessionThroughput(mebibytes: options.isSmall ? 1 : 16).measure(options.rounds)
    } catch {
      fail("zennet-bench: \(error)", 70)
    }
  }

  static func fail(_ text: String, _ status: Int32) -> Never {
    note(text)
    exit(status)
  }
}

/// A line for people, beside the rows.
func note(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

/// The command line, nil where it is not understood.
struct Options {
  var folder = ""
  var rounds = 21
  var isSmall = false

  init?(_ arguments: ArraySlice<String>) {
    var rest = arguments
    guard rest.popFirst() == "flow" else { return nil }
    while let word = rest.popFirst() {
      switch word {
      case "--folder":
        guard let path = rest.popFirst() else { return nil }
        folder = path
      case "--rounds":
        guard let text = rest.popFirst(), let number = Int(text), number > 0 else { return nil }
        rounds = number
      case "--small": isSmall = true
      default: return nil
      }
    }
    if folder.isEmpty { return nil }
  }
}
