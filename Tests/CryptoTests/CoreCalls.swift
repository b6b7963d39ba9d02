import Bytes
import TestSupport

/// Bitcoin Core keeps some vectors inside its C++ tests, as calls with literals. This reads them
/// there, so that none is copied here.
enum CoreCalls {
  /// The arguments of every call of `function` in a source file of Bitcoin Core: the text of string
  /// literals (neighbours joined), other text as it stands without spaces.
  static func of(_ function: String, in path: String) throws -> [[String]] {
    let text = Array(try Vectors.text(path).utf8)
    let name = Array("\n    \(function)(".utf8)
    var calls: [[String]] = []
    var index = 0
    while index + name.count < text.count {
      if text[index] != name[0] || !text[index...].starts(with: name) {
        index += 1
        continue
      }
      index += name.count
      calls.append(arguments(text, &index))
    }
    return calls
  }

  private static func arguments(_ text: [UInt8], _ index: inout Int) -> [String] {
    var arguments: [String] = []
    var current: [UInt8] = []
    var depth = 0
    var isQuoted = false
    while index < text.count {
      let character = text[index]
      index += 1
      if character == UInt8(ascii: "\"") {
        isQuoted.toggle()
      } else if isQuoted {
        current.append(character)
      } else if character == UInt8(ascii: ",") && depth == 0 {
        arguments.append(String(decoding: current, as: UTF8.self))
        current = []
      } else if character == UInt8(ascii: ")") && depth == 0 {
        break
      } else if character > 32 {
        if character == UInt8(ascii: "{") || character == UInt8(ascii: "(") { depth += 1 }
        if character == UInt8(ascii: "}") || character == UInt8(ascii: ")") { depth -= 1 }
        current.append(character)
      }
    }
    arguments.append(String(decoding: current, as: UTF8.self))
    return arguments
  }
}

/// Bytes from hexadecimal that a test wrote itself.
func hex(_ text: String) -> [UInt8] { Hex.decode(text)! }
func hex32(_ text: String) -> Bytes32 { Bytes32(hex: text)! }
