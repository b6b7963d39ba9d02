import Bundles
import Foundation
import Host
import Publisher
import Sandbox

extension FuzzTarget {
  /// A run's control socket, and what `exec`, `shell` and `cp` bring from a machine that nobody
  /// trusts: text for a terminal, and files.
  static let control = FuzzTarget(
    name: "control",
    run: { (bytes) throws(FuzzFinding) in
      var input = FuzzInput(bytes)
      switch input.below(3) {
      case 0: try readFrames(&input)
      case 1: try cleanText(&input)
      default: try copyOut(&input)
      }
    },
    seeds: {
      let request = Array(
        """
        {"command":"exec","worker":1,"task":0,"arguments":["sh"],"environment":["A=b"],\
        "workdir":"/","terminal":[24,80]}
        """.utf8)
      let frames: [ControlFrame] = [
        .request(request), .input([1, 2]), .inputEnded, .resize(rows: 24, columns: 80), .signal(9),
        .answer(Array("{}".utf8)), .output(isError: true, [3]), .ended(status: 1, text: [0x61]),
        .failed([0x62]),
      ]
      var archive = BundleWriter()
      archive.addDirectory("a")
      archive.addFile("a/b", [1, 2, 3], mode: 0o755)
      archive.addSymlink("a/c", to: "../b")
      let tar = try! archive.tar()
      return [
        [0, 5] + frames.flatMap { $0.encode() }, [0, 255] + frames[0].encode(),
        [1, 2] + Array("a\u{1b}[31mb\u{9b}2Jc\u{c2}\r\n".utf8) + [0x9b, 0xc2, 0x9b, 0xc2, 0xc2],
        [2, 0, 200] + tar, [2, 1, 99] + tar,
      ]
    })

  private static func readFrames(_ input: inout FuzzInput) throws(FuzzFinding) {
    let step = 1 + Int(input.u8())
    let stream = input.rest()
    var whole = ControlFrames()
    whole.append(stream)
    var cut = ControlFrames()
    var offset = 0
    var frames: [ControlFrame] = []
    while offset < stream.count {
      cut.append(Array(stream[offset..<min(stream.count, offset + step)]))
      offset += step
      while let frame = cut.next() { frames.append(frame) }
    }
    for frame in frames {
      try require(whole.next() == frame, "where a stream is cut does not matter")
      var again = ControlFrames()
      again.append(frame.encode())
      try require(again.next() == frame, "a frame round-trips")
      guard case .request(let json) = frame,
        let request = ControlJson.decode(ControlRequest.self, json)
      else { continue }
      let same = ControlJson.decode(ControlRequest.self, ControlJson.encode(request))
      try require(same == request, "a request round-trips")
      if let session = request.session() {
        try require(!session.arguments.isEmpty, "a program has a name")
      }
    }
    try require(whole.next() == nil, "where a stream is cut does not matter")
    try require(whole.isBroken == cut.isBroken, "where a stream is cut does not matter")
  }

  private static func cleanText(_ input: inout FuzzInput) throws(FuzzFinding) {
    let step = 1 + Int(input.u8())
    let text = input.rest()
    var whole = TerminalText()
    let once = whole.clean(text)
    var cut = TerminalText()
    var pieces: [UInt8] = []
    var offset = 0
    while offset < text.count {
      pieces += cut.clean(text[offset..<min(text.count, offset + step)])
      offset += step
    }
    try require(pieces == once, "where a text is cut does not matter")
    try require(once.count <= text.count, "nothing is added")
    try require(String(validating: once, as: UTF8.self) != nil, "what comes out is UTF-8")
    for scalar in String(decoding: once, as: UTF8.self).unicodeScalars {
      let isCommand =
        scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value)
        || (0x2028...0x202e).contains(scalar.value)
      try require(
        !isCommand || scalar == "\n" || scalar == "\t", "a stranger commands no terminal")
    }
  }

  /// Into a folder, or to a name that is not there; beside it lies what must not be touched.
  private static func copyOut(_ input: inout FuzzInput) throws(FuzzFinding) {
    let isFolder = input.below(2) == 0
    let step = 1 + Int(input.u8())
    let archive = mended(input.rest())
    let manager = FileManager.default
    let folder = scratch("control")
    let root = folder + "/copy"
    let target = root + "/target"
    let beside = root + "/beside"
    defer {
      try? manager.removeItem(atPath: root)
      leaveScratch("control")
    }
    try? manager.createDirectory(
      atPath: isFolder ? target : root, withIntermediateDirectories: true)
    _ = manager.createFile(atPath: beside, contents: Data([7]))
    if isFolder {
      try? manager.createSymbolicLink(atPath: target + "/a", withDestinationPath: beside)
    }
    if var unpacker = try? CopyUnpacker(target: target, source: "/out/a") {
      var offset = 0
      do {
        while offset < archive.count {
          let end = min(archive.count, offset + step * 16)
          try unpacker.feed(Array(archive[offset..<end]))
          offset = end
        }
        try unpacker.finish()
      } catch {}
    }
    let names = Set((try? manager.contentsOfDirectory(atPath: root)) ?? [])
    try require(names.isSubset(of: ["target", "beside"]), "nothing is put elsewhere: \(names)")
    try require(manager.contents(atPath: beside) == Data([7]), "what lies beside stays as it is")
    let above = (try? manager.contentsOfDirectory(atPath: folder)) ?? []
    try require(above == ["copy"], "nothing is put elsewhere: \(above)")
    for name in manager.enumerator(atPath: root).map({ Array($0) }) ?? [] {
      guard let name = name as? String, name != "target/a" else { continue }
      let kind = try? manager.attributesOfItem(atPath: root + "/" + name)[.type]
      try require(
        kind as? FileAttributeType != .typeSymbolicLink, "no link is made of a stranger's")
    }
  }
}
