import Foundation
import Fuzzing

// libFuzzer brings `main`; `ZENNET_FUZZ_TARGET` says which target it runs. See scripts/fuzz.

nonisolated(unsafe) private var target: FuzzTarget = {
  let name = ProcessInfo.processInfo.environment["ZENNET_FUZZ_TARGET"] ?? ""
  guard let target = FuzzTarget.all.first(where: { $0.name == name }) else {
    FileHandle.standardError.write(Data("no target '\(name)': ZENNET_FUZZ_TARGET names one\n".utf8))
    exit(2)
  }
  return target
}()

/// Writes the names of the targets, or a target's seeds, where the environment asks for it.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
  _ argc: UnsafeMutablePointer<Int32>,
  _ argv: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>
) -> Int32 {
  let environment = ProcessInfo.processInfo.environment
  if let folder = environment["ZENNET_FUZZ_SEEDS"] {
    for target in FuzzTarget.all {
      let place = folder + "/" + target.name
      try! FileManager.default.createDirectory(
        atPath: place, withIntermediateDirectories: true)
      for (index, seed) in target.seeds().enumerated() {
        try! Data(seed).write(to: URL(fileURLWithPath: place + "/seed-\(index)"))
      }
    }
    exit(0)
  }
  return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  do {
    try target.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
  } catch {
    fatalError("broken: " + error.broken)
  }
  return 0
}
