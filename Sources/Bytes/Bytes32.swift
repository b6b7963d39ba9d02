/// Thirty-two bytes: a digest, a key, an identity. A value without heap storage, compared and
/// hashed by words; `word0` holds bytes 0 to 7, most significant first, so that `<` is byte order.
public struct Bytes32: Hashable, Sendable, Comparable {
  private var word0: UInt64
  private var word1: UInt64
  private var word2: UInt64
  private var word3: UInt64

  public static let zero = Bytes32(words: 0, 0, 0, 0)

  private init(words word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64) {
    self.word0 = word0
    self.word1 = word1
    self.word2 = word2
    self.word3 = word3
  }

  /// The 32 bytes of `bytes` at `offset`, which must be in range.
  public init(_ bytes: [UInt8], at offset: Int = 0) {
    precondition(offset >= 0 && bytes.count - offset >= 32)
    self = bytes.withUnsafeBytes { Bytes32(loading: $0, at: offset) }
  }

  /// The 32 bytes of `memory` at `offset`, which must be in range. Avoids an array when hashing:
  /// chains have a million headers.
  public init(loading memory: UnsafeRawBufferPointer, at offset: Int = 0) {
    precondition(offset >= 0 && memory.count - offset >= 32)
    func word(_ start: Int) -> UInt64 {
      UInt64(bigEndian: memory.loadUnaligned(fromByteOffset: start, as: UInt64.self))
    }
    self.init(words: word(offset), word(offset + 8), word(offset + 16), word(offset + 24))
  }

  /// Writes the bytes to `memory` at `offset`, which must have room.
  public func store(into memory: UnsafeMutableRawBufferPointer, at offset: Int = 0) {
    precondition(offset >= 0 && memory.count - offset >= 32)
    memory.storeBytes(of: word0.bigEndian, toByteOffset: offset, as: UInt64.self)
    memory.storeBytes(of: word1.bigEndian, toByteOffset: offset + 8, as: UInt64.self)
    memory.storeBytes(of: word2.bigEndian, toByteOffset: offset + 16, as: UInt64.self)
    memory.storeBytes(of: word3.bigEndian, toByteOffset: offset + 24, as: UInt64.self)
  }

  /// The four words of the bytes as a little-endian number, least significant first.
  public var littleEndianWords: (UInt64, UInt64, UInt64, UInt64) {
    (word0.byteSwapped, word1.byteSwapped, word2.byteSwapped, word3.byteSwapped)
  }

  /// Nil unless `bytes` has exactly 32 bytes.
  public init?(exactly bytes: [UInt8]) {
    if bytes.count != 32 { return nil }
    self.init(bytes)
  }

  /// From 64 hexadecimal digits in byte order; nil for anything else.
  public init?(hex: String) {
    guard let bytes = Hex.decode(hex), bytes.count == 32 else { return nil }
    self.init(bytes)
  }

  public subscript(index: Int) -> UInt8 {
    precondition(index >= 0 && index < 32)
    let word: UInt64
    switch index >> 3 {
    case 0: word = word0
    case 1: word = word1
    case 2: word = word2
    default: word = word3
    }
    return UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * (index & 7)))
  }

  public func append(to bytes: inout [UInt8]) {
    withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { memory in
      store(into: memory)
      bytes.append(contentsOf: UnsafeRawBufferPointer(memory))
    }
  }

  public var array: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(32)
    append(to: &bytes)
    return bytes
  }

  /// The bytes in reverse order, as Bitcoin displays hashes.
  public var reversed: Bytes32 {
    Bytes32(words: word3.byteSwapped, word2.byteSwapped, word1.byteSwapped, word0.byteSwapped)
  }

  public var hex: String { Hex.encode(array) }

  public var isZero: Bool { word0 | word1 | word2 | word3 == 0 }

  public static func < (left: Bytes32, right: Bytes32) -> Bool {
    if left.word0 != right.word0 { return left.word0 < right.word0 }
    if left.word1 != right.word1 { return left.word1 < right.word1 }
    if left.word2 != right.word2 { return left.word2 < right.word2 }
    return left.word3 < right.word3
  }
}
