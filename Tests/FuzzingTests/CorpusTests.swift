import Foundation
import Fuzzing
import Testing

/// What fuzzing has found and what it found worth keeping, once more, in a build with all its checks.
struct CorpusTests {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appending(path: "Corpus")

  private static func corpus(_ name: String) -> [(file: String, bytes: [UInt8])] {
    let place = folder.appending(path: name)
    let files = (try? FileManager.default.contentsOfDirectory(atPath: place.path)) ?? []
    return files.sorted().map { file in
      (
        file,
        [UInt8](FileManager.default.contents(atPath: place.appending(path: file).path) ?? Data())
      )
    }
  }

  @Test(arguments: FuzzTarget.all.map(\.name)) func nothingIsBroken(name: String) throws {
    let target = try #require(FuzzTarget.all.first { $0.name == name })
    var inputs = CorpusTests.corpus(name)
    for (index, seed) in target.seeds().enumerated() { inputs.append(("seed \(index)", seed)) }
    for (file, bytes) in inputs {
      do { try target.run(bytes) } catch { Issue.record("\(file): \(error.broken)") }
    }
  }

  @Test func theCorpusIsSmall() {
    let inputs = FuzzTarget.all.flatMap { CorpusTests.corpus($0.name) }
    #expect(inputs.reduce(0) { $0 + $1.bytes.count } < 300_000)
  }
}
