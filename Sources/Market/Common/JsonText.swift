import Bitcoin
import Bytes

/// Writes one JSON value by hand, in the order in which it is told.
public struct JsonText {
  private var text: [UInt8] = []
  private var needsComma = false

  public init() {}

  /// What was written. Bytes that are not UTF-8 come out as U+FFFD.
  public var string: String { String(decoding: text, as: UTF8.self) }

  private mutating func comma() {
    if needsComma { text.append(0x2c) }
    needsComma = true
  }

  private mutating func open(_ byte: UInt8) {
    comma()
    text.append(byte)
    needsComma = false
  }

  private mutating func close(_ byte: UInt8) {
    text.append(byte)
    needsComma = true
  }

  public mutating func beginObject() { open(0x7b) }
  public mutating func endObject() { close(0x7d) }
  public mutating func beginArray() { open(0x5b) }
  public mutating func endArray() { close(0x5d) }

  /// The name of the value that follows.
  public mutating func key(_ name: StaticString) {
    comma()
    text.append(0x22)
    name.withUTF8Buffer { text.append(contentsOf: $0) }
    text.append(0x22)
    text.append(0x3a)
    needsComma = false
  }

  public mutating func value(_ bytes: [UInt8]) {
    comma()
    text.append(0x22)
    for byte in bytes { escape(byte) }
    text.append(0x22)
  }

  private mutating func escape(_ byte: UInt8) {
    switch byte {
    case 0x22, 0x5c: text.append(contentsOf: [0x5c, byte])
    case 0..<0x20, 0x7f:
      text.append(contentsOf: Array("\\u00".utf8))
      text.append(contentsOf: Array(Hex.encode([byte]).utf8))
    default: text.append(byte)
    }
  }

  public mutating func value(_ string: String) { value(Array(string.utf8)) }

  public mutating func value(_ number: UInt64) { raw(String(number)) }
  public mutating func value(_ number: Int64) { raw(String(number)) }
  public mutating func value(_ flag: Bool) { raw(flag ? "true" : "false") }

  /// Text that is JSON already.
  public mutating func raw(_ string: String) {
    comma()
    text.append(contentsOf: Array(string.utf8))
  }

  public mutating func field(_ name: StaticString, _ string: String) {
    key(name)
    value(string)
  }

  public mutating func field(_ name: StaticString, _ number: UInt64) {
    key(name)
    value(number)
  }

  public mutating func field(_ name: StaticString, _ flag: Bool) {
    key(name)
    value(flag)
  }

  public mutating func field(_ name: StaticString, _ bytes: [UInt8]) {
    key(name)
    value(bytes)
  }

  public mutating func field(_ name: StaticString, _ items: [[UInt8]]) {
    key(name)
    beginArray()
    for item in items { value(item) }
    endArray()
  }
}
