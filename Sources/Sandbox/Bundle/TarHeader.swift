/// One 512-byte header block of POSIX ustar, also as GNU tar writes it.
struct TarHeader {
  static let size = 512

  var path: [UInt8]
  var link: [UInt8]
  var mode: UInt32
  var size: UInt64
  var type: UInt8

  /// `block` has 512 bytes; `offset` is where it stands in the archive.
  init(_ block: [UInt8], offset: UInt64) throws(BundleError) {
    var sum: UInt64 = 0
    for index in 0..<TarHeader.size {
      sum += (148..<156).contains(index) ? 0x20 : UInt64(block[index])
    }
    if try TarHeader.number(block, 148, 8, offset) != sum {
      throw BundleError.badChecksum(offset: offset)
    }
    path = TarHeader.field(block, 0, 100)
    link = TarHeader.field(block, 157, 100)
    mode = UInt32(truncatingIfNeeded: try TarHeader.number(block, 100, 8, offset))
    size = try TarHeader.number(block, 124, 12, offset)
    type = block[156]
    // "ustar" and a zero byte; GNU has a space there and other things where ustar has the prefix.
    if TarHeader.field(block, 257, 6).elementsEqual("ustar".utf8) && block[262] == 0 {
      let prefix = TarHeader.field(block, 345, 155)
      if !prefix.isEmpty { path = prefix + [0x2f] + path }
    }
  }

  private static func field(_ block: [UInt8], _ start: Int, _ length: Int) -> [UInt8] {
    var end = start
    while end < start + length && block[end] != 0 { end += 1 }
    return Array(block[start..<end])
  }

  /// Octal with spaces or zero bytes around; or GNU's binary form, whose first byte is 0x80.
  private static func number(
    _ block: [UInt8], _ start: Int, _ length: Int, _ offset: UInt64
  ) throws(BundleError) -> UInt64 {
    var value: UInt64 = 0
    if block[start] == 0x80 {
      for index in (start + 1)..<(start + length) {
        if value >> 56 != 0 { throw BundleError.badNumber(offset: offset + UInt64(start)) }
        value = value << 8 | UInt64(block[index])
      }
      return value
    }
    var seen = false
    var ended = false
    for index in start..<(start + length) {
      let byte = block[index]
      if byte == 0x20 || byte == 0 {
        ended = seen
        continue
      }
      if byte < 0x30 || byte > 0x37 || ended {
        throw BundleError.badNumber(offset: offset + UInt64(index))
      }
      seen = true
      value = value << 3 | UInt64(byte - 0x30)
    }
    return value
  }

  /// A header block for the writer. `path` and `link` have at most 100 bytes, `size` at most 33 bits.
  static func encode(
    path: [UInt8], link: [UInt8], mode: UInt32, size: UInt64, type: UInt8
  ) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: TarHeader.size)
    func put(_ bytes: [UInt8], _ start: Int) {
      for index in 0..<bytes.count { block[start + index] = bytes[index] }
    }
    func octal(_ value: UInt64, _ start: Int, _ digits: Int) {
      for index in 0..<digits {
        block[start + index] = 0x30 + UInt8((value >> UInt64(3 * (digits - 1 - index))) & 7)
      }
    }
    put(Array(path.prefix(100)), 0)
    octal(UInt64(mode & 0o777), 100, 7)
    octal(0, 108, 7)
    octal(0, 116, 7)
    octal(size, 124, 11)
    octal(0, 136, 11)
    block[156] = type
    put(Array(link.prefix(100)), 157)
    put(Array("ustar\0".utf8) + [0x30, 0x30], 257)
    for index in 148..<156 { block[index] = 0x20 }
    var sum: UInt64 = 0
    for byte in block { sum += UInt64(byte) }
    octal(sum, 148, 6)
    block[154] = 0
    return block
  }
}
