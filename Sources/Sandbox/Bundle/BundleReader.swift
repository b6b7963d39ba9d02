/// Reads a tar archive (ustar, pax, GNU long names) from front to back: bytes in, items out. Pure and
/// bounded: it holds one header or one pax record, never a file.
public struct BundleReader {
  private enum State {
    case header
    case extended(type: UInt8)
    case data
    case padding
    /// The archive's end was seen: only zeros may follow.
    case ended
  }

  public typealias Use = (BundleItem, UInt64) throws(BundleError) -> Void
  /// A piece of a file, where it lies in what was fed, and the offset of the file's header.
  public typealias UseData = (ArraySlice<UInt8>, UInt64) throws(BundleError) -> Void

  private static let extendedLimit: UInt64 = 65_536

  private let limits: BundleLimits
  private let isLenient: Bool
  private var state = State.header
  /// Bytes of the tar stream taken so far.
  public private(set) var offset: UInt64 = 0
  private var headerOffset: UInt64 = 0
  /// The header or pax record under way.
  private var gathered: [UInt8] = []
  /// Bytes of the record or file still to come, and of padding after it.
  private var remaining: UInt64 = 0
  private var padding: UInt64 = 0
  /// Up to here, with what lies beneath.
  private(set) var used: BundleUse
  // What a pax or GNU header says about the entry that follows it.
  private var nextPath: [UInt8]?
  private var nextLink: [UInt8]?
  private var nextSize: UInt64?

  /// - Parameters:
  ///   - used: by the bundles beneath, of the same limits.
  ///   - isLenient: for whoever makes no links and no devices, or changes where links point:
  ///     symbolic links may point anywhere, and what is no file is told as left out.
  public init(limits: BundleLimits, used: BundleUse = BundleUse(), isLenient: Bool = false) {
    self.limits = limits
    self.used = used
    self.isLenient = isLenient
  }

  /// Takes more of the archive and hands what it holds to `use`, with the offset of its header.
  public mutating func feed(_ bytes: ArraySlice<UInt8>, use: Use) throws(BundleError) {
    try feed(bytes, use: use) { (piece, offset) throws(BundleError) in
      try use(.data(Array(piece)), offset)
    }
  }

  /// The same for who needs no copy of the files' bytes: they go to `useData`.
  public mutating func feed(
    _ bytes: ArraySlice<UInt8>, use: Use, useData: UseData
  ) throws(BundleError) {
    var rest = bytes
    while !rest.isEmpty {
      switch state {
      case .header: try feedHeader(&rest, use)
      case .extended(let type): try feedExtended(&rest, type: type)
      case .data:
        let count = Int(min(remaining, UInt64(rest.count)))
        if count > 0 { try useData(rest.prefix(count), headerOffset) }
        take(count, &rest)
        remaining -= UInt64(count)
        if remaining == 0 { try endFile(use) }
      case .padding:
        let count = Int(min(padding, UInt64(rest.count)))
        take(count, &rest)
        padding -= UInt64(count)
        if padding == 0 { state = .header }
      case .ended:
        if let odd = rest.firstIndex(where: { $0 != 0 }) {
          throw BundleError.trailingBytes(offset: offset + UInt64(odd - rest.startIndex))
        }
        take(rest.count, &rest)
      }
    }
  }

  /// The stream is over: the archive must be, too.
  public func finish() throws(BundleError) {
    if case .ended = state { return }
    throw BundleError.truncated(offset: offset)
  }

  private mutating func take(_ count: Int, _ rest: inout ArraySlice<UInt8>) {
    rest = rest.dropFirst(count)
    offset += UInt64(count)
  }

  private mutating func endFile(_ use: Use) throws(BundleError) {
    try use(.fileEnded, headerOffset)
    state = padding > 0 ? .padding : .header
  }

  private mutating func feedHeader(
    _ rest: inout ArraySlice<UInt8>, _ use: Use
  ) throws(BundleError) {
    if gathered.isEmpty { headerOffset = offset }
    let count = min(TarHeader.size - gathered.count, rest.count)
    gathered.append(contentsOf: rest.prefix(count))
    take(count, &rest)
    if gathered.count < TarHeader.size { return }
    let block = gathered
    gathered.removeAll(keepingCapacity: true)
    if block.allSatisfy({ $0 == 0 }) {
      state = .ended
      return
    }
    try begin(TarHeader(block, offset: headerOffset), use)
  }

  private mutating func begin(_ header: TarHeader, _ use: Use) throws(BundleError) {
    switch header.type {
    case UInt8(ascii: "x"), UInt8(ascii: "g"), UInt8(ascii: "L"), UInt8(ascii: "K"):
      if header.size > BundleReader.extendedLimit {
        throw BundleError.badPaxRecord(offset: headerOffset)
      }
      remaining = header.size
      padding = (512 - header.size % 512) % 512
      state = header.size == 0 ? .header : .extended(type: header.type)
      return
    case UInt8(ascii: "3"), UInt8(ascii: "4"), UInt8(ascii: "6"):
      if !isLenient || header.size != 0 { throw BundleError.deviceNode(offset: headerOffset) }
    case UInt8(ascii: "S"): throw BundleError.sparseFile(offset: headerOffset)
    default: break
    }
    used.entries += 1
    if used.entries > limits.entries {
      throw BundleError.tooManyEntries(offset: headerOffset, limit: limits.entries)
    }
    let rawPath = nextPath ?? header.path
    let rawLink = nextLink ?? header.link
    let size = nextSize ?? header.size
    nextPath = nil
    nextLink = nil
    nextSize = nil
    let path = try BundlePath.clean(rawPath, offset: headerOffset)
    try add(header, path: path, rawPath: rawPath, link: rawLink, size: size, use)
  }

  private mutating func add(
    _ header: TarHeader, path: [UInt8], rawPath: [UInt8], link: [UInt8], size: UInt64,
    _ use: Use
  ) throws(BundleError) {
    // Before POSIX a directory was a file whose name ends in a slash.
    let isOldDirectory = header.type == 0 && rawPath.last == 0x2f
    switch isOldDirectory ? UInt8(ascii: "5") : header.type {
    case UInt8(ascii: "5"):
      if size != 0 { throw BundleError.badNumber(offset: headerOffset + 124) }
      if !path.isEmpty { try use(.directory(path: path, mode: header.mode), headerOffset) }
    case UInt8(ascii: "0"), 0, UInt8(ascii: "7"):
      if path.isEmpty { throw BundleError.emptyName(offset: headerOffset) }
      let (sum, overflow) = used.bytes.addingReportingOverflow(size)
      if overflow || sum > limits.bytes {
        throw BundleError.tooLarge(offset: headerOffset, limit: limits.bytes)
      }
      used.bytes = sum
      try use(.file(path: path, mode: header.mode, size: size), headerOffset)
      remaining = size
      padding = (512 - size % 512) % 512
      state = .data
      if size == 0 { try endFile(use) }
    case UInt8(ascii: "2"):
      if path.isEmpty { throw BundleError.emptyName(offset: headerOffset) }
      if !isLenient {
        try BundlePath.checkSymlink(path: path, target: link, offset: headerOffset)
      }
      try use(
        link.isEmpty ? .leftOut(path: path) : .symlink(path: path, target: link), headerOffset)
    case UInt8(ascii: "3"), UInt8(ascii: "4"), UInt8(ascii: "6"):
      try use(.leftOut(path: path), headerOffset)
    case UInt8(ascii: "1"):
      if path.isEmpty { throw BundleError.emptyName(offset: headerOffset) }
      let target = try BundlePath.cleanHardlink(link, offset: headerOffset)
      if target.isEmpty { throw BundleError.emptyName(offset: headerOffset) }
      try use(.hardlink(path: path, target: target), headerOffset)
    default: throw BundleError.unknownType(offset: headerOffset, type: header.type)
    }
  }

  private mutating func feedExtended(
    _ rest: inout ArraySlice<UInt8>, type: UInt8
  ) throws(BundleError) {
    let count = Int(min(remaining, UInt64(rest.count)))
    gathered.append(contentsOf: rest.prefix(count))
    take(count, &rest)
    remaining -= UInt64(count)
    if remaining > 0 { return }
    let record = gathered
    gathered.removeAll(keepingCapacity: true)
    state = padding > 0 ? .padding : .header
    switch type {
    case UInt8(ascii: "L"): nextPath = BundleReader.untilZero(record)
    case UInt8(ascii: "K"): nextLink = BundleReader.untilZero(record)
    case UInt8(ascii: "x"): try readPax(record)
    default: break  // a global header: nothing that it may say matters here
    }
  }

  private static func untilZero(_ bytes: [UInt8]) -> [UInt8] { Array(bytes.prefix { $0 != 0 }) }

  /// Records `LENGTH KEY=VALUE\n`, LENGTH counting all of the record.
  private mutating func readPax(_ record: [UInt8]) throws(BundleError) {
    let wrong = BundleError.badPaxRecord(offset: headerOffset)
    var at = 0
    while at < record.count {
      guard let space = record[at...].firstIndex(of: 0x20),
        let length = Text.number(record[at..<space]), length <= UInt64(record.count - at),
        Int(length) > space - at + 1, record[at + Int(length) - 1] == 0x0a
      else { throw wrong }
      let body = record[(space + 1)..<(at + Int(length) - 1)]
      guard let equals = body.firstIndex(of: 0x3d) else { throw wrong }
      let key = body[..<equals]
      let value = body[(equals + 1)...]
      if Text.equal(key, "path") { nextPath = Array(value) }
      if Text.equal(key, "linkpath") { nextLink = Array(value) }
      if Text.equal(key, "size") {
        guard let size = Text.number(value) else { throw wrong }
        nextSize = size
      }
      if key.starts(with: "GNU.sparse.".utf8) { throw BundleError.sparseFile(offset: headerOffset) }
      at += Int(length)
    }
  }
}
