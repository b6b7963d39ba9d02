import Bytes
import MadeChain
import Market

/// The command line, nil where it is not understood.
struct Options {
  enum Command: String {
    case flow
    case headerValidate = "header-validate"
    case serveChain = "serve-chain"
    case writeChain = "write-chain"
    case follow
    case machines
  }

  let command: Command
  var folder = ""
  var file = ""
  var rounds = 21
  var isSmall = false
  var port: UInt16 = 0
  var chain = MadeChain.Options(blocks: 0)
  var watched: [[UInt8]] = []
  var count = 0
  /// Where a publisher listens, `ADDRESS:PORT`.
  var publisher = ""

  init?(_ arguments: ArraySlice<String>) {
    var rest = arguments
    guard let command = rest.popFirst().flatMap({ Command(rawValue: $0) }) else { return nil }
    self.command = command
    while let word = rest.popFirst() {
      if word == "--small" {
        isSmall = true
      } else {
        guard let value = rest.popFirst(), take(word, value) else { return nil }
      }
    }
    switch command {
    case .flow: if folder.isEmpty { return nil }
    case .headerValidate: break
    case .serveChain: if chain.blocks == 0 { return nil }
    case .writeChain: if chain.blocks == 0 || file.isEmpty { return nil }
    case .follow: if chain.blocks == 0 || folder.isEmpty || port == 0 { return nil }
    case .machines: if count == 0 || publisher.isEmpty || port == 0 { return nil }
    }
  }

  private mutating func take(_ word: String, _ value: String) -> Bool {
    switch word {
    case "--folder": folder = value
    case "--file": file = value
    case "--rounds": return number(value, 1...10_000) { rounds = Int($0) }
    case "--port": return number(value, 0...65_535) { port = UInt16($0) }
    case "--count": return number(value, 1...100_000) { count = Int($0) }
    case "--publisher":
      if Endpoint(text: value) == nil { return false }
      publisher = value
    case "--blocks": return number(value, 1...10_000_000) { chain.blocks = $0 }
    case "--outputs": return number(value, 0...10_000) { chain.outputs = Int($0) }
    case "--every": return number(value, 1...10_000_000) { chain.paidEvery = $0 }
    case "--pay":
      guard let script = Hex.decode(value) else { return false }
      chain.script = script
    case "--watch":
      guard let script = Hex.decode(value) else { return false }
      watched.append(script)
    default: return false
    }
    return true
  }

  private func number(
    _ text: String, _ range: ClosedRange<UInt32>, _ set: (UInt32) -> Void
  ) -> Bool {
    guard let number = UInt32(text), range.contains(number) else { return false }
    set(number)
    return true
  }
}
