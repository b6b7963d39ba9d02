import Bytes
import Market

/// Reads a stored record. Everything that is wrong with it gives nil: records were written by this
/// program, and what does not decode is damaged or of a later version.
enum RecordReader {
  /// Runs `body` over `bytes` if their first byte is `version`, and wants all of them read.
  static func read<Value>(
    _ bytes: [UInt8], version: UInt8, _ body: (inout ByteReader) throws -> Value?
  ) -> Value? {
    var reader = ByteReader(bytes)
    guard let first = try? reader.u8(), first == version, let value = try? body(&reader),
      reader.isAtEnd
    else { return nil }
    return value
  }
}

extension ByteReader {
  mutating func flag() throws -> Bool { try u8() == 1 }

  mutating func document() throws -> [UInt8] {
    try lengthPrefixed(limit: Limits.maxDocumentBytes * 2)
  }

  /// A document that may be missing, which is then empty.
  mutating func signed<Body: SignedBody>(_ type: Body.Type) throws -> Signed<Body>? {
    let bytes = try document()
    return bytes.isEmpty ? nil : try Signed<Body>.decode(bytes)
  }

  mutating func text() throws -> String { String(decoding: try document(), as: UTF8.self) }
}

extension ByteWriter {
  mutating func flag(_ value: Bool) { u8(value ? 1 : 0) }
  mutating func text(_ value: String) { lengthPrefixed(Array(value.utf8)) }
}
