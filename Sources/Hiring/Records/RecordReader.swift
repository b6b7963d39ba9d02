import Bytes
import Market

/// Reads stored records. This program wrote them, so any decoding error means damage or an unknown
/// version and gives nil.
enum RecordReader {
  /// Decodes `bytes` with `body`. Nil unless the first byte is `version` and `body` consumes all
  /// bytes.
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

  /// An optional document; zero length encodes nil.
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
