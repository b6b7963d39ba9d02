/// CRC-32 (ISO 3309, as in zip). SQLite detects broken structure, this detects broken content:
/// every burst error of up to 32 bits. It does not protect against forgery.
struct Checksum {
  private var state: UInt32 = 0xffff_ffff

  private static let table: [UInt32] = {
    var table: [UInt32] = []
    for index in 0..<256 {
      var value = UInt32(index)
      for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xedb8_8320 : value >> 1 }
      table.append(value)
    }
    return table
  }()

  mutating func add(_ bytes: [UInt8]) {
    // The length separates neighbouring columns.
    add(UInt64(bytes.count))
    addRaw(bytes)
  }

  mutating func addRaw(_ bytes: [UInt8]) {
    var state = state
    Checksum.table.withUnsafeBufferPointer { table in
      for byte in bytes { state = table[Int((state ^ UInt32(byte)) & 255)] ^ state >> 8 }
    }
    self.state = state
  }

  mutating func add(_ value: UInt64) {
    let table = Checksum.table
    for shift in 0..<8 {
      let byte = UInt32(truncatingIfNeeded: value >> UInt64(8 * shift)) & 255
      state = table[Int((state ^ byte) & 255)] ^ state >> 8
    }
  }

  var value: UInt64 { UInt64(~state) }
}
