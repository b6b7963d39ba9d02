import Bitcoin
import Bytes

/// TLV: two magic bytes, the version, then fields of type (1 byte), length (1 byte), value, in
/// strictly ascending order of type. Integers are little-endian in their full width. A reader skips
/// odd types that it does not know and refuses even ones (as Lightning's BOLT 1 has it).
extension Announcement {
  /// What `OP_RETURN` may carry of it.
  public static let maxBytes = 220
  static let magic: [UInt8] = [0x5a, 0x4e]
  static let version: UInt8 = 1

  private enum Field {
    static let publisher: UInt8 = 2
    static let endpoint: UInt8 = 4
    static let workers: UInt8 = 6
    static let processors: UInt8 = 8
    static let ramMiB: UInt8 = 10
    static let isolation: UInt8 = 12
    static let priceCeiling: UInt8 = 14
    static let payoutInterval: UInt8 = 16
    static let expiryHeight: UInt8 = 18
    static let offerDigest: UInt8 = 20
  }

  public func encode() -> [UInt8] {
    var fields: [Extra] = extras
    func add(_ type: UInt8, _ body: (inout ByteWriter) -> Void) {
      var writer = ByteWriter()
      body(&writer)
      fields.append(Extra(type: type, value: writer.bytes))
    }
    add(Field.publisher) { $0.append(publisher) }
    add(Field.endpoint) {
      $0.u16le(endpoint.port)
      $0.append(endpoint.host)
    }
    add(Field.workers) { $0.u16le(workers) }
    add(Field.processors) { $0.u16le(processors.rawValue) }
    add(Field.ramMiB) { $0.u32le(ramMiB) }
    add(Field.isolation) { $0.u8(isolation.rawValue) }
    add(Field.priceCeiling) { $0.u64le(priceCeilingSatPerHour) }
    add(Field.payoutInterval) { $0.u32le(payoutIntervalMs) }
    add(Field.expiryHeight) { $0.u32le(expiryHeight) }
    add(Field.offerDigest) { $0.append(offerDigest) }
    var writer = ByteWriter(reserving: Announcement.maxBytes)
    writer.append(Announcement.magic)
    writer.u8(Announcement.version)
    for index in Order.of(fields.count, { fields[$0].type < fields[$1].type }) {
      let field = fields[index]
      writer.u8(field.type)
      writer.u8(UInt8(truncatingIfNeeded: field.value.count))
      writer.append(field.value)
    }
    return writer.bytes
  }

  /// Throws `malformed` or `refused`, naming the field and the byte.
  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> Announcement {
    var reader = DocumentReader(bytes)
    if bytes.count > maxBytes {
      throw reader.refuse("announcement", at: maxBytes, "longer than 220 bytes")
    }
    if try reader.fixed("magic", 2) != magic {
      throw reader.refuse("magic", at: 0, "not an announcement")
    }
    try reader.version(version)
    var read = Announcement(
      publisher: .zero, endpoint: Endpoint(host: [0x30], port: 1)!, workers: 0, processors: [],
      ramMiB: 0, isolation: .any, priceCeilingSatPerHour: 0, payoutIntervalMs: 0,
      expiryHeight: 0, offerDigest: .zero)
    var seen: UInt32 = 0
    var last = -1
    while !reader.isAtEnd {
      let start = reader.offset
      let type = try reader.u8("field type")
      if Int(type) <= last {
        throw reader.refuse("field type", at: start, "the fields do not ascend")
      }
      last = Int(type)
      let length = Int(try reader.u8("field length"))
      if try read.readField(type, length, &reader) {
        seen |= 1 << UInt32(type)
      } else if type & 1 == 0 {
        throw reader.refuse("field type", at: start, "unknown, and not optional")
      } else {
        read.extras.append(Extra(type: type, value: try reader.fixed("optional field", length)))
      }
    }
    // Types 2, 4, ... 20.
    if seen != 0x15_5554 {
      throw reader.refuse("announcement", at: bytes.count, "a field is missing")
    }
    return read
  }

  /// Reads the value of a known field; false for an unknown one, of which nothing is read.
  private mutating func readField(
    _ type: UInt8, _ length: Int, _ reader: inout DocumentReader
  ) throws(MarketError) -> Bool {
    guard let lengths = Announcement.lengths(type) else { return false }
    if !lengths.contains(length) {
      throw reader.refuse("field length", at: reader.offset - 1, "wrong for this field")
    }
    switch type {
    case Field.publisher: publisher = try reader.bytes32("publisher")
    case Field.endpoint: endpoint = try Announcement.readEndpoint(length, &reader)
    case Field.workers: workers = try reader.u16("workers", 1...UInt16.max)
    case Field.processors:
      processors = ProcessorSet(rawValue: try reader.u16("processors", 1...UInt16.max))
    case Field.ramMiB: ramMiB = try reader.u32("RAM", 1...Limits.maxMemoryMiB)
    case Field.isolation:
      isolation = IsolationWanted(rawValue: try reader.u8("isolation", 0...2)) ?? .full
    case Field.priceCeiling:
      priceCeilingSatPerHour = try reader.u64("price ceiling", 1...Amount.maxSat)
    case Field.payoutInterval:
      payoutIntervalMs = try reader.u32("payout interval", Limits.payoutIntervalMs)
    case Field.expiryHeight:
      expiryHeight = try reader.u32("expiry height", 1...(Limits.heightLimit - 1))
    default: offerDigest = try reader.bytes32("offer digest")
    }
    return true
  }

  private static func lengths(_ type: UInt8) -> ClosedRange<Int>? {
    switch type {
    case Field.publisher, Field.offerDigest: return 32...32
    case Field.endpoint: return 3...(2 + Endpoint.maxHostBytes)
    case Field.workers, Field.processors: return 2...2
    case Field.ramMiB, Field.payoutInterval, Field.expiryHeight: return 4...4
    case Field.isolation: return 1...1
    case Field.priceCeiling: return 8...8
    default: return nil
    }
  }

  private static func readEndpoint(
    _ length: Int, _ reader: inout DocumentReader
  ) throws(MarketError) -> Endpoint {
    let start = reader.offset
    let port = try reader.u16("port", 1...UInt16.max)
    let host = try reader.fixed("host", length - 2)
    guard let endpoint = Endpoint(host: host, port: port) else {
      throw reader.refuse("endpoint", at: start, "neither an address nor a host name")
    }
    return endpoint
  }
}
