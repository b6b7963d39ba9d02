import Foundation
import Host

/// The command line of `zennet-bench sandbox`; `scripts/bench.d/sandbox` prepares what it names.
struct SandboxOptions {
  static let usage = """
    usage: zennet-bench sandbox --jobs FOLDER --helper AGENT [--rounds N] [--only METRIC]…
      --jobs     a folder made by scripts/bench.d/sandbox: programs, bundles, an OCI bundle
      --helper   the static agent, which unpacks and collects inside a sandbox as in earnest
      --rounds   how often every contestant is measured (41)
      --only     start, slowdown, unpack, rss, metering, stop, many; all without it
    """

  var jobs = ""
  var helper = ""
  var rounds = 41
  var only: [String] = []

  init?(_ arguments: ArraySlice<String>) {
    var rest = arguments
    while let word = rest.popFirst() {
      guard let value = rest.popFirst() else { return nil }
      switch word {
      case "--jobs": jobs = value
      case "--helper": helper = value
      case "--rounds":
        guard let number = Int(value), number > 0 else { return nil }
        rounds = number
      case "--only": only.append(value)
      default: return nil
      }
    }
    if jobs.isEmpty || helper.isEmpty { return nil }
  }

  func wants(_ name: String) -> Bool { only.isEmpty || only.contains(name) }

  func file(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: jobs + "/" + name)))
  }

  /// In memory, as agents have it.
  func bundle(_ name: String) throws -> MemoryFile {
    let memory = try MemoryFile()
    try memory.append(try file(name))
    return memory
  }
}
