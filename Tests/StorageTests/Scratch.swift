import Bytes
import Foundation
import Host

@testable import Storage

/// A folder that goes with the test.
final class Scratch {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/zennet-storage-\(UUID().uuidString)"
    try Files.makeFolder(path)
  }

  deinit { try? Files.removeTree(path) }

  func file(_ name: String) -> String { path + "/" + name }
}

/// Made-up headers; what is in them does not matter here.
func header(_ height: UInt32, branch: UInt8 = 0) -> [UInt8] {
  (0..<80).map { UInt8(truncatingIfNeeded: height &* 7 &+ UInt32($0)) ^ branch }
}

func filter(_ height: UInt32, branch: UInt8 = 0) -> Bytes32 {
  Bytes32((0..<32).map { UInt8(truncatingIfNeeded: height &* 13 &+ UInt32($0)) ^ branch })
}

func identifier(_ number: UInt8) -> Bytes32 { Bytes32([UInt8](repeating: number, count: 32)) }
