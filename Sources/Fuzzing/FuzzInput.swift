/// Takes an input apart into choices and data, for targets that do more than to decode. An input
/// that ends early goes on in zeros.
struct FuzzInput {
  private let bytes: [UInt8]
  private var offset = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { offset >= bytes.count }

  mutating func u8() -> UInt8 {
    if isAtEnd { return 0 }
    offset += 1
    return bytes[offset - 1]
  }

  mutating func u16() -> Int { Int(u8()) | Int(u8()) << 8 }

  /// A number below `bound`, at most 256.
  mutating func below(_ bound: Int) -> Int { Int(u8()) % bound }

  /// As many bytes as there are, at most `count`.
  mutating func take(_ count: Int) -> [UInt8] {
    let end = min(bytes.count, offset + count)
    defer { offset = end }
    return Array(bytes[offset..<end])
  }

  /// Two bytes of length, then as many bytes.
  mutating func piece() -> [UInt8] { take(u16()) }

  mutating func rest() -> [UInt8] { take(bytes.count) }
}

/// Makes what ``FuzzInput`` reads, for seeds.
struct SeedWriter {
  private(set) var bytes: [UInt8] = []

  mutating func u8(_ values: UInt8...) { bytes += values }

  mutating func piece(_ piece: [UInt8]) {
    bytes += [UInt8(piece.count & 255), UInt8(piece.count >> 8)] + piece
  }
}
