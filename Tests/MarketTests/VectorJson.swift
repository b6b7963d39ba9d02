import Bytes
import Foundation

/// JSON whose keys stand in the order in which they were given.
indirect enum Json {
  case null
  case number(Int64)
  case text(String)
  case array([Json])
  case object([(String, Json)])

  static func hex(_ bytes: [UInt8]) -> Json { .text(Hex.encode(bytes)) }
  static func hex(_ bytes: Bytes32) -> Json { .text(bytes.hex) }

  /// Numbers above 2^53 are texts, because many readers of JSON would round them.
  static func unsigned(_ value: UInt64) -> Json {
    value > 1 << 53 ? .text(String(value)) : .number(Int64(value))
  }

  /// Any value of the protocol: structures by the names of their fields, bytes in hexadecimal, enumerations
  /// by their numbers, and those with payloads as an object with the name of the case.
  static func of(_ value: Any) -> Json {
    // An empty array of anything passes for one of bytes.
    if type(of: value) == [UInt8].self, let bytes = value as? [UInt8] { return .hex(bytes) }
    switch value {
    case let bytes as Bytes32: return .hex(bytes)
    case let text as String: return .text(text)
    case let flag as Bool: return .number(flag ? 1 : 0)
    case let number as any UnsignedInteger: return .unsigned(UInt64(number))
    case let number as any SignedInteger: return .number(Int64(number))
    case let raw as any RawRepresentable: return of(raw.rawValue)
    default: break
    }
    let mirror = Mirror(reflecting: value)
    switch mirror.displayStyle {
    case .optional: return mirror.children.first.map { of($0.value) } ?? .null
    case .collection: return .array(mirror.children.map { of($0.value) })
    case .enum:
      guard let payload = mirror.children.first else { return .text("\(value)") }
      return .object([(payload.label ?? "", of(payload.value))])
    default:
      return .object(mirror.children.map { (name($0.label ?? ""), of($0.value)) })
    }
  }

  /// What a tuple calls a part without a name.
  private static func name(_ label: String) -> String {
    label.hasPrefix(".") ? "value" + label.dropFirst() : label
  }

  func text(indent: Int = 0) -> String {
    let inner = String(repeating: " ", count: indent + 2)
    let outer = String(repeating: " ", count: indent)
    switch self {
    case .null: return "null"
    case .number(let value): return String(value)
    case .text(let value):
      precondition(value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x22 && $0 != 0x5c })
      return "\"" + value + "\""
    case .array(let values):
      if values.isEmpty { return "[]" }
      let lines = values.map { inner + $0.text(indent: indent + 2) }
      return "[\n" + lines.joined(separator: ",\n") + "\n" + outer + "]"
    case .object(let fields):
      let lines = fields.map { inner + "\"\($0.0)\": " + $0.1.text(indent: indent + 2) }
      return "{\n" + lines.joined(separator: ",\n") + "\n" + outer + "}"
    }
  }
}
