import Agent
import Bytes
import Capability
import Crypto
import Host
import Market
import Sandbox
import Storage

/// Runs the benchmarks and prints the results; nothing is signed or stored.
enum BenchCommand {
  static func main(_ arguments: inout Arguments) {
    let isJson = arguments.flag("--json")
    var budgetMs: UInt64 = 700
    if let text = arguments.option("--seconds") {
      guard let seconds = UInt64(text), (1...600).contains(seconds) else {
        Output.fail(.usage, "--seconds takes a whole number from 1 to 600")
      }
      budgetMs = seconds * 1000 / UInt64(Kernel.all.count)
    }
    let folder = arguments.option("--folder") ?? "/tmp"
    arguments.finish()
    do throws(CapabilityError) {
      let results = try Measuring.run(
        seed: Entropy.bytes32(), folder: folder, budgetMs: budgetMs,
        progress: { kernel in
          if Terminal.isTerminal(2) { Output.standardError("measuring: " + kernel.name + "\n") }
        })
      if !isJson {
        for result in results { Output.line(result.line) }
        return
      }
      var text = "["
      for result in results { text += (text.utf8.count > 1 ? "," : "") + result.json }
      Output.line(text + "]")
    } catch { Output.fail(.failure, error.message) }
  }
}
