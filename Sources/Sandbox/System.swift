import Bytes
import CHost

/// Small files and text, as /proc and cgroups have them.
enum System {
  /// At most `limit` bytes of a file; nil when it cannot be read.
  static func read(_ path: String, limit: Int = 65_536) -> [UInt8]? {
    var got: Int64 = 0
    // Not filled with zeros first: that would touch every page of it.
    let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
      got = path.withCString {
        host_sandbox_read_file($0, buffer.baseAddress, UInt64(buffer.count))
      }
      count = Int(max(got, 0))
    }
    return got < 0 ? nil : bytes
  }

  /// What an errno value means, for people.
  static func reason(_ code: Int32) -> String {
    var text = [CChar](repeating: 0, count: 128)
    host_error_text(code, &text, UInt32(text.count))
    return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  /// 0, or a negative errno.
  static func write(_ path: String, _ text: String) -> Int32 {
    let bytes = Array(text.utf8)
    return path.withCString { name in
      bytes.withUnsafeBufferPointer {
        host_sandbox_write_file(name, $0.baseAddress, UInt64($0.count))
      }
    }
  }

  static func makeDirectory(_ path: String) -> Int32 {
    path.withCString { host_sandbox_mkdir($0, 0o755) }
  }

  static func removeDirectory(_ path: String) -> Int32 {
    path.withCString { host_sandbox_rmdir($0) }
  }

  static func exists(_ path: String) -> Bool {
    var status = host_file_status()
    return path.withCString { host_sandbox_status(-1, $0, &status) } == 0
  }

  static func isDirectory(_ path: String) -> Bool {
    var status = host_file_status()
    let code = path.withCString { host_sandbox_status(-1, $0, &status) }
    return code == 0 && status.mode & 0o170000 == 0o040000
  }

  static func mayWrite(_ path: String) -> Bool {
    path.withCString { host_sandbox_may_write($0) } == 0
  }

  /// Names in a directory, in byte order; nil when it cannot be read.
  static func list(_ path: String, directory: Int32 = -1) -> [[UInt8]]? {
    var size = 16_384
    while size <= 1 << 24 {
      var buffer = [UInt8](repeating: 0, count: size)
      let got = path.withCString { name in
        buffer.withUnsafeMutableBufferPointer {
          host_sandbox_list(directory, name, $0.baseAddress, UInt64($0.count))
        }
      }
      if got >= 0 {
        let names = Text.split(buffer[0..<Int(got)], on: 0).map { Array($0) }
        let order = Order.of(names.count) { names[$0].lexicographicallyPrecedes(names[$1]) }
        return order.map { names[$0] }
      }
      if got != -34 { return nil }
      size *= 4
    }
    return nil
  }
}

/// Text as bytes: what the kernel prints needs no Unicode.
enum Text {
  /// The non-empty pieces between `separator`s.
  static func split(_ bytes: ArraySlice<UInt8>, on separator: UInt8) -> [ArraySlice<UInt8>] {
    var pieces: [ArraySlice<UInt8>] = []
    var start = bytes.startIndex
    for index in bytes.indices where bytes[index] == separator {
      if index > start { pieces.append(bytes[start..<index]) }
      start = index + 1
    }
    if bytes.endIndex > start { pieces.append(bytes[start..<bytes.endIndex]) }
    return pieces
  }

  static func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] { split(bytes[...], on: 0x0a) }
  static func words(_ line: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] { split(line, on: 0x20) }

  /// The words of a text: an array of texts would be far more code.
  static func names(_ text: StaticString) -> [String] {
    var names: [String] = []
    var name: [UInt8] = []
    for index in 0...text.utf8CodeUnitCount {
      let byte = index < text.utf8CodeUnitCount ? text.utf8Start[index] : 0
      if byte > 32 {
        name.append(byte)
      } else if !name.isEmpty {
        names.append(String(decoding: name, as: UTF8.self))
        name = []
      }
    }
    return names
  }

  static func equal(_ bytes: ArraySlice<UInt8>, _ text: StaticString) -> Bool {
    if bytes.count != text.utf8CodeUnitCount { return false }
    var at = text.utf8Start
    for byte in bytes {
      if byte != at.pointee { return false }
      at += 1
    }
    return true
  }

  static func same(_ left: String, _ right: String) -> Bool {
    left.utf8.elementsEqual(right.utf8)
  }

  static func string(_ bytes: ArraySlice<UInt8>) -> String {
    String(decoding: bytes, as: UTF8.self)
  }

  /// Decimal digits only; nil when there are none, others, or too many.
  static func number(_ bytes: ArraySlice<UInt8>) -> UInt64? {
    if bytes.isEmpty { return nil }
    var value: UInt64 = 0
    for byte in bytes {
      if byte < 0x30 || byte > 0x39 { return nil }
      let (tens, first) = value.multipliedReportingOverflow(by: 10)
      let (sum, second) = tens.addingReportingOverflow(UInt64(byte - 0x30))
      if first || second { return nil }
      value = sum
    }
    return value
  }

  /// The number at the start of a file such as `memory.current`; nil for anything else.
  static func onlyNumber(_ bytes: [UInt8]?) -> UInt64? {
    guard let bytes, let line = lines(bytes).first else { return nil }
    return number(line)
  }

  /// The number after `key` in a file of lines `key number`.
  static func keyed(_ bytes: [UInt8]?, _ key: StaticString) -> UInt64? {
    guard let bytes else { return nil }
    for line in lines(bytes) {
      let parts = words(line)
      if parts.count >= 2 && equal(parts[0], key) { return number(parts[1]) }
    }
    return nil
  }
}
