import Testing

@testable import Sandbox

/// One tar entry, as wrong as a test wants it.
struct RawEntry {
  var path: [UInt8]
  var link: [UInt8] = []
  var type: UInt8 = UInt8(ascii: "0")
  var body: [UInt8] = []
  var claimedSize: UInt64?

  var bytes: [UInt8] {
    var bytes = TarHeader.encode(
      path: path, link: link, mode: 0o644, size: claimedSize ?? UInt64(body.count), type: type)
    bytes += body
    TarWriter.pad(&bytes, size: UInt64(body.count))
    return bytes
  }
}

func entry(
  _ path: String, link: String = "", type: Character = "0", body: [UInt8] = [],
  claimedSize: UInt64? = nil
) -> RawEntry {
  RawEntry(
    path: Array(path.utf8), link: Array(link.utf8), type: type.asciiValue!, body: body,
    claimedSize: claimedSize)
}

func archive(_ entries: [RawEntry]) -> [UInt8] {
  entries.flatMap { $0.bytes } + [UInt8](repeating: 0, count: 1024)
}

func pax(_ records: [(String, String)]) -> RawEntry {
  var body = ""
  for (key, value) in records {
    let rest = " \(key)=\(value)\n"
    var digits = 1
    while "\(rest.utf8.count + digits)".utf8.count != digits { digits += 1 }
    body += "\(rest.utf8.count + digits)" + rest
  }
  return entry("pax", type: "x", body: Array(body.utf8))
}

/// All items, fed in pieces of `step` bytes.
func items(
  _ bytes: [UInt8], step: Int = 4096,
  limits: BundleLimits = BundleLimits(entries: 100, bytes: 1 << 20), isLenient: Bool = false
) throws(BundleError) -> [BundleItem] {
  var reader = BundleReader(limits: limits, isLenient: isLenient)
  var items: [BundleItem] = []
  var at = 0
  while at < bytes.count {
    let end = min(at + step, bytes.count)
    try reader.feed(bytes[at..<end]) { (item, _) throws(BundleError) in items.append(item) }
    at = end
  }
  try reader.finish()
  return items
}

func refusal(
  _ bytes: [UInt8], limits: BundleLimits = BundleLimits(entries: 100, bytes: 1 << 20)
) -> BundleError? {
  do throws(BundleError) {
    _ = try items(bytes, limits: limits)
    return nil
  } catch {
    return error
  }
}

struct BundleReaderTests {
  @Test func readsEveryKindOfEntryInPiecesOfAnySize() throws {
    let bytes = archive([
      entry("./", type: "5"), entry("a/", type: "5"), entry("a/f", body: [1, 2, 3]),
      entry("a/empty"), entry("a/s", link: "../a/f", type: "2"), entry("h", link: "a/f", type: "1"),
    ])
    let expected: [BundleItem] = [
      .directory(path: Array("a".utf8), mode: 0o644),
      .file(path: Array("a/f".utf8), mode: 0o644, size: 3), .data([1, 2, 3]), .fileEnded,
      .file(path: Array("a/empty".utf8), mode: 0o644, size: 0), .fileEnded,
      .symlink(path: Array("a/s".utf8), target: Array("../a/f".utf8)),
      .hardlink(path: Array("h".utf8), target: Array("a/f".utf8)),
    ]
    #expect(try items(bytes) == expected)
    for step in [1, 7, 511, 512, 513] {
      var joined: [BundleItem] = []
      for item in try items(bytes, step: step) {
        if case .data(let more) = item, case .data(let before)? = joined.last {
          joined[joined.count - 1] = .data(before + more)
        } else {
          joined.append(item)
        }
      }
      #expect(joined == expected)
    }
  }

  @Test func paxNamesAndGnuNamesReplaceTheHeaders() throws {
    let long = String(repeating: "d/", count: 100) + "file"
    let bytes = archive([
      pax([("path", long), ("mtime", "1.5"), ("size", "2")]),
      entry("short", body: [9, 9], claimedSize: 0),
      entry("././@LongLink", type: "L", body: Array(long.utf8) + [0]), entry("cut", body: [7]),
      entry("././@LongLink", type: "K", body: Array("t/u".utf8) + [0]),
      entry("s", link: "cut", type: "2"),
      entry("plain"),
    ])
    let got = try items(bytes)
    #expect(got[0] == .file(path: Array(long.utf8), mode: 0o644, size: 2))
    #expect(got[1] == .data([9, 9]))
    #expect(got[3] == .file(path: Array(long.utf8), mode: 0o644, size: 1))
    #expect(got[6] == .symlink(path: Array("s".utf8), target: Array("t/u".utf8)))
    #expect(got[7] == .file(path: Array("plain".utf8), mode: 0o644, size: 0))
  }

  @Test func namesThatLeaveTheRootAreRefused() {
    #expect(refusal(archive([entry("ok"), entry("../x")])) == .parentInPath(offset: 512))
    #expect(refusal(archive([entry("a/../../x")])) == .parentInPath(offset: 0))
    #expect(refusal(archive([entry("a/..", type: "5")])) == .parentInPath(offset: 0))
    #expect(refusal(archive([entry("/etc/passwd")])) == .absolutePath(offset: 0))
    #expect(refusal(archive([pax([("path", "/x")]), entry("y")])) == .absolutePath(offset: 1024))
    #expect(
      refusal(archive([pax([("path", "a\0b")]), entry("y")])) == .zeroByteInName(offset: 1024))
    #expect(refusal(archive([entry("")])) == .emptyName(offset: 0))
    let long = String(repeating: "x", count: 256)
    #expect(refusal(archive([pax([("path", long)]), entry("y")])) == .nameTooLong(offset: 1024))
  }

  @Test func linksThatLeaveTheRootAreRefused() {
    #expect(refusal(archive([entry("s", link: "/etc", type: "2")])) == .absoluteLink(offset: 0))
    #expect(refusal(archive([entry("h", link: "/etc", type: "1")])) == .absoluteLink(offset: 0))
    #expect(refusal(archive([entry("s", link: "../x", type: "2")])) == .linkLeavesRoot(offset: 0))
    #expect(
      refusal(archive([entry("a/b/s", link: "../../../x", type: "2")]))
        == .linkLeavesRoot(offset: 0))
    #expect(
      refusal(archive([entry("h", link: "a/../../x", type: "1")])) == .linkLeavesRoot(offset: 0))
    #expect(refusal(archive([entry("a/b/s", link: "../../x", type: "2")])) == nil)
  }

  @Test func whoIsLenientIsToldOfDevices() throws {
    let long = String(repeating: "l", count: 120)
    for type: Character in ["3", "4", "6"] {
      let all = archive([pax([("path", long)]), entry("d", type: type), entry("f", type: "0")])
      #expect(
        try items(all, isLenient: true) == [
          .leftOut(path: Array(long.utf8)),
          .file(path: Array("f".utf8), mode: 0o644, size: 0),
          .fileEnded,
        ])
      let root = archive([entry(".", type: type)])
      #expect(try items(root, isLenient: true) == [.leftOut(path: [])])
    }
  }

  /// Some packers write that where they could not read a link. No strict reader takes it.
  @Test func aLinkWithoutATargetIsLeftOut() throws {
    let all = archive([entry("l", type: "2"), entry("m", link: "l", type: "2")])
    #expect(
      try items(all, isLenient: true) == [
        .leftOut(path: [0x6c]), .symlink(path: [0x6d], target: [0x6c]),
      ])
    #expect(refusal(all) == .emptyName(offset: 0))
    let root = archive([entry(".", type: "2")])
    #expect(throws: BundleError.emptyName(offset: 0)) { try items(root, isLenient: true) }
  }

  @Test func unusualTypesAreRefused() {
    for type: Character in ["3", "4", "6"] {
      #expect(refusal(archive([entry("d", type: type)])) == .deviceNode(offset: 0))
    }
    #expect(refusal(archive([entry("d", type: "S")])) == .sparseFile(offset: 0))
    #expect(
      refusal(archive([pax([("GNU.sparse.major", "1")]), entry("d")])) == .sparseFile(offset: 0))
    #expect(refusal(archive([entry("d", type: "Z")])) == .unknownType(offset: 0, type: 0x5a))
  }

  @Test func damageIsFound() {
    let good = archive([entry("f", body: [UInt8](repeating: 5, count: 600))])
    #expect(refusal(good) == nil)
    var bad = good
    bad[0] ^= 1
    #expect(refusal(bad) == .badChecksum(offset: 0))
    #expect(refusal(Array(good[0..<700])) == .truncated(offset: 700))
    #expect(refusal(Array(good[0..<1536])) == .truncated(offset: 1536))
    #expect(refusal([]) == .truncated(offset: 0))
    #expect(refusal(good + [0, 0, 1]) == .trailingBytes(offset: UInt64(good.count + 2)))
    var letters = good
    letters[130] = UInt8(ascii: "z")
    #expect(
      [.badNumber(offset: 130), .badChecksum(offset: 0)].contains(refusal(letters)))
    for wrong in ["5 path", "99 path=x\n", "3 =\n", "x", "07 a=b", "8 abcde\n"] {
      let entries = [entry("p", type: "x", body: Array(wrong.utf8)), entry("f")]
      #expect(refusal(archive(entries)) == .badPaxRecord(offset: 0))
    }
    let huge = entry("p", type: "x", claimedSize: 70_000)
    #expect(refusal(huge.bytes) == .badPaxRecord(offset: 0))
  }

  @Test func limitsHold() {
    let many = archive((0..<11).map { entry("f\($0)") })
    #expect(
      refusal(many, limits: BundleLimits(entries: 10, bytes: 9))
        == .tooManyEntries(offset: 5120, limit: 10))
    let large = archive([entry("a", body: [1, 2, 3]), entry("b", claimedSize: 98)])
    #expect(
      refusal(large, limits: BundleLimits(entries: 10, bytes: 100))
        == .tooLarge(offset: 1024, limit: 100))
    let endless = archive([
      pax([("size", "18446744073709551615")]), entry("a"), entry("b"),
    ])
    #expect(
      refusal(endless, limits: BundleLimits(entries: 10, bytes: .max - 1))
        == .tooLarge(offset: 1024, limit: .max - 1))
  }

  /// Whatever the bytes, the reader ends with an answer, and never hands out a name that leaves.
  @Test func changedArchivesNeverLeaveTheRoot() {
    var random = SeededGenerator(seed: 7)
    let good = archive([
      pax([("path", "some/long/name")]), entry("a/b", body: [1, 2, 3]),
      entry("s", link: "a/b", type: "2"), entry("h", link: "a/b", type: "1"),
    ])
    for _ in 0..<2000 {
      var bytes = good
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(
          in: 0...255, using: &random)
      }
      guard let got = try? items(bytes) else { continue }
      for item in got {
        if case .file(let path, _, _) = item {
          #expect(path.first != 0x2f && !Text.split(path[...], on: 0x2f).contains([0x2e, 0x2e]))
        }
      }
    }
  }
}

/// SplitMix64, so that a failing case can be had again.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
