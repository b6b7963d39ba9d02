import Bytes
import CInih

/// One `key = value` of a configuration file.
public struct IniEntry {
  public var section: [UInt8]
  public var key: [UInt8]
  public var value: [UInt8]
}

/// Parses INI text with inih. The caller interprets entries: `accept` returns nil, or the reason
/// for refusing an entry. Parsing stops at the first refusal and reports its line.
public enum IniFile {
  /// inih's line buffer without its terminator. inih would silently split a longer line.
  public static let maxLineBytes = 198
  public static let maxBytes = 65_536

  private struct Visit {
    var accept: (IniEntry) -> String?
    var refusedKey = ""
    var refusal: String?
  }

  public static func read(
    _ text: [UInt8], file: String, accept: @escaping (IniEntry) -> String?
  ) throws(ConfigurationError) {
    try checkLines(text, file: file)
    // inih reports the line of the first error, but not its cause: a first pass that accepts every
    // entry finds only malformed lines.
    var visit = Visit(accept: { _ in nil })
    var line = parse(text, &visit)
    if line == 0 {
      visit.accept = accept
      line = parse(text, &visit)
    }
    if line != 0 {
      throw ConfigurationError(
        file: file, line: line, key: visit.refusedKey,
        reason: visit.refusal ?? "not a [section], not a key = value, not a comment")
    }
  }

  /// The line of the first entry of this name, counted from 1; 0 if there is none. For errors that
  /// are found only after the whole file is read.
  public static func line(of section: StaticString, _ key: StaticString, in text: [UInt8]) -> Int {
    var visit = Visit(accept: { entry in
      equals(entry.section, section) && equals(entry.key, key) ? "" : nil
    })
    return parse(text, &visit)
  }

  private static func equals(_ bytes: [UInt8], _ text: StaticString) -> Bool {
    if bytes.count != text.utf8CodeUnitCount { return false }
    for index in 0..<bytes.count where bytes[index] != text.utf8Start[index] { return false }
    return true
  }

  /// The line of the first error, or 0.
  private static func parse(_ text: [UInt8], _ visit: inout Visit) -> Int {
    let terminated = text + [0]
    let line = withUnsafeMutablePointer(to: &visit) { pointer in
      terminated.withUnsafeBufferPointer { buffer in
        buffer.baseAddress!.withMemoryRebound(to: CChar.self, capacity: buffer.count) { string in
          ini_parse_string(string, handler, UnsafeMutableRawPointer(pointer))
        }
      }
    }
    return Int(line)
  }

  private static func checkLines(_ text: [UInt8], file: String) throws(ConfigurationError) {
    if text.count > maxBytes {
      throw ConfigurationError(
        file: file, line: 0, key: "",
        reason: "has \(text.count) bytes; the limit is \(maxBytes)")
    }
    var line = 1
    var length = 0
    for byte in text {
      if byte == 0 {
        throw ConfigurationError(file: file, line: line, key: "", reason: "has a zero byte")
      }
      length += 1
      if byte == 0x0a {
        line += 1
        length = 0
      } else if length > maxLineBytes {
        throw ConfigurationError(
          file: file, line: line, key: "",
          reason: "is longer than \(maxLineBytes) characters")
      }
    }
  }

  private static let handler: ini_handler = { user, section, name, value in
    guard let user else { return 0 }
    let visit = user.assumingMemoryBound(to: Visit.self)
    let entry = IniEntry(section: bytes(section), key: bytes(name), value: bytes(value))
    guard let refusal = visit.pointee.accept(entry) else { return 1 }
    // inih continues after a refusal; report the first one.
    if visit.pointee.refusal == nil {
      visit.pointee.refusal = refusal
      visit.pointee.refusedKey = String(
        decoding: entry.section + [0x2e] + entry.key, as: UTF8.self)
    }
    return 0
  }

  private static func bytes(_ string: UnsafePointer<CChar>?) -> [UInt8] {
    guard let string else { return [] }
    var result: [UInt8] = []
    var index = 0
    while string[index] != 0 {
      result.append(UInt8(bitPattern: string[index]))
      index += 1
    }
    return result
  }
}
