import Bytes
import Sandbox

extension FuzzTarget {
  /// A bundle or an archive of results. The first byte says whether it is compressed, whether the checksums
  /// of its headers are made right, and whether it is read leniently; the second how it is cut.
  static let bundle = FuzzTarget(
    name: "bundle",
    run: { (bytes) throws(FuzzFinding) in
      var input = FuzzInput(bytes)
      let choice = input.u8()
      let step = 1 + Int(input.u8())
      let archive = choice & 2 == 2 ? mended(input.rest()) : input.rest()
      let isLenient = choice & 4 == 4
      let whole = unpack(
        archive, step: max(archive.count, 1), isCompressed: choice & 1 == 1, isLenient)
      let cut = unpack(archive, step: step, isCompressed: choice & 1 == 1, isLenient)
      // How far zstd came, and how much it had made of how little, depends on the pieces.
      var isEqual = whole.error == cut.error && joined(whole.items) == joined(cut.items)
      if choice & 1 == 1 {
        isEqual = isEqual || (whole.error != nil) == (cut.error != nil) || isRatio(cut.error)
      }
      try require(isEqual, "where an archive is cut does not matter")
      try checkItems(whole.items, isLenient)
      if let error = whole.error {
        try require(!error.message.isEmpty, "an error says what is wrong")
      }
    },
    seeds: {
      let archive = try! sample().tar()
      var pipe = archive
      pipe[156] = UInt8(ascii: "6")
      return [
        [0, 9] + archive, [1, 9] + BundleWriter.compress(archive), [0, 255] + gnuArchive,
        [2, 200] + gnuArchive, [2, 99] + archive, [6, 77] + pipe,
      ]
    })

  /// Without this, hardly any change of a header would get past its checksum.
  static func mended(_ archive: [UInt8]) -> [UInt8] {
    var archive = archive
    var at = 0
    while at + 512 <= archive.count {
      if archive[at..<(at + 512)].contains(where: { $0 != 0 }) {
        for index in 148..<156 { archive[at + index] = 0x20 }
        let sum = archive[at..<(at + 512)].reduce(0) { $0 + Int($1) }
        for index in 0..<6 {
          archive[at + 148 + index] = 0x30 + UInt8(sum >> (3 * (5 - index)) & 7)
        }
      }
      let digits = archive[(at + 124)..<(at + 135)]
      let size = digits.reduce(0) { $0 << 3 | Int($1 & 7) }
      at += 512 + (size + 511) / 512 * 512
    }
    return archive
  }

  private static func isRatio(_ error: BundleError?) -> Bool {
    if case .ratioTooHigh? = error { return true }
    return false
  }

  private static let limits = BundleLimits(entries: 50, bytes: 100_000, ratio: 250)

  private static func unpack(
    _ archive: [UInt8], step: Int, isCompressed: Bool, _ isLenient: Bool
  ) -> (items: [BundleItem], error: BundleError?) {
    var reader = BundleReader(limits: limits, isLenient: isLenient)
    let unzstd = isCompressed ? Unzstd(ratio: limits.ratio) : nil
    var items: [BundleItem] = []
    var offset = 0
    do throws(BundleError) {
      while offset < archive.count {
        let piece = archive[offset..<min(archive.count, offset + step)]
        offset = piece.endIndex
        if let unzstd {
          try unzstd.feed(Array(piece)) { (piece) throws(BundleError) in
            try reader.feed(piece) { (item, _) throws(BundleError) in items.append(item) }
          }
        } else {
          try reader.feed(piece) { (item, _) throws(BundleError) in items.append(item) }
        }
      }
      try unzstd?.finish()
      try reader.finish()
    } catch { return (items, error) }
    return (items, nil)
  }

  /// Neighbouring pieces of a file's data as one; what came before a break does not count.
  private static func joined(_ items: [BundleItem]) -> [BundleItem] {
    var list: [BundleItem] = []
    for item in items {
      if case .data(let more) = item, case .data(let last)? = list.last {
        list[list.count - 1] = .data(last + more)
      } else {
        list.append(item)
      }
    }
    if case .data? = list.last { list.removeLast() }
    return list
  }

  private static func checkItems(
    _ items: [BundleItem], _ isLenient: Bool
  ) throws(FuzzFinding) {
    var total: UInt64 = 0
    var count: UInt64 = 0
    var expected: UInt64?
    for item in items {
      switch item {
      case .data(let bytes):
        guard let left = expected, UInt64(bytes.count) <= left, !bytes.isEmpty else {
          throw FuzzFinding(broken: "data belongs to a file, and is not more than its size")
        }
        expected = left - UInt64(bytes.count)
        continue
      case .fileEnded:
        try require(expected == 0, "a file ends where its size says")
        expected = nil
        continue
      case .file(let path, _, let size):
        try checkPath(path)
        expected = size
        total += size
      case .directory(let path, _): try checkPath(path)
      case .symlink(let path, let target):
        try checkPath(path)
        try require(!target.isEmpty, "a link has a target")
        if !isLenient { try checkTarget(path, target) }
      case .hardlink(let path, let target):
        try checkPath(path)
        try checkPath(target)
      case .leftOut(let path):
        try require(isLenient, "only who is lenient is told of what is left out")
        if !path.isEmpty { try checkPath(path) }
      }
      count += 1
    }
    try require(total <= limits.bytes && count <= limits.entries, "limits hold")
  }

  private static func checkPath(_ path: [UInt8]) throws(FuzzFinding) {
    try require(!path.isEmpty && path.count <= 4095 && !path.contains(0), "a path is one")
    for part in path.split(separator: 0x2f, omittingEmptySubsequences: false) {
      let isPlain = !part.isEmpty && Array(part) != [0x2e] && Array(part) != [0x2e, 0x2e]
      try require(isPlain && part.count <= 255, "a path stays below its root")
    }
  }

  private static func checkTarget(_ path: [UInt8], _ target: [UInt8]) throws(FuzzFinding) {
    try require(target[0] != 0x2f && !target.contains(0), "a link is relative")
    var depth = path.split(separator: 0x2f).count - 1
    for part in target.split(separator: 0x2f) where Array(part) != [0x2e] {
      depth += Array(part) == [0x2e, 0x2e] ? -1 : 1
      try require(depth >= 0, "a link stays below the root")
    }
  }

  private static func sample() -> BundleWriter {
    var writer = BundleWriter()
    writer.addDirectory("bin")
    writer.addFile("bin/sh", Array("#!/bin/true\n".utf8), mode: 0o755)
    writer.addSymlink("bin/ls", to: "../bin/sh")
    writer.addFile("work/" + String(repeating: "n", count: 130), [UInt8](repeating: 1, count: 600))
    return writer
  }

  /// GNU's long names, a global pax header, a hard link.
  private static let gnuArchive: [UInt8] = {
    func header(_ path: String, _ type: Character, _ size: Int, link: String = "") -> [UInt8] {
      var block = [UInt8](repeating: 0, count: 512)
      func put(_ text: String, _ at: Int) {
        for (index, byte) in text.utf8.enumerated() { block[at + index] = byte }
      }
      put(path, 0)
      put("0000644\0", 100)
      put(
        String(repeating: "0", count: 11 - String(size, radix: 8).count) + String(size, radix: 8),
        124)
      block[156] = type.asciiValue!
      put(link, 157)
      put("ustar  ", 257)
      put("        ", 148)
      let sum = String(block.reduce(0) { $0 + Int($1) }, radix: 8)
      put(String(repeating: "0", count: 6 - sum.count) + sum + "\0 ", 148)
      return block
    }
    func padded(_ text: String) -> [UInt8] {
      Array(text.utf8) + [UInt8](repeating: 0, count: 512 - text.utf8.count)
    }
    return header("././@LongLink", "L", 5) + padded("long\0") + header("x", "0", 3) + padded("abc")
      + header("pax", "g", 12) + padded("12 a=bcdefg\n") + header("y", "1", 0, link: "long")
      + header("pax", "x", 11) + padded("11 path=zz\n") + header("d", "5", 0)
      + [UInt8](repeating: 0, count: 1024)
  }()
}
