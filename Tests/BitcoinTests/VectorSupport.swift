import Bitcoin
import Bytes
import Foundation
import TestSupport
import Testing

/// The rows of a vector file of Bitcoin Core, without its comments (rows of one string).
func vectorRows(_ path: String) throws -> [[Any]] {
  let rows = try #require(try Vectors.json(path) as? [[Any]])
  return rows.filter { $0.count > 1 }
}

func bytes(_ hex: Any?) throws -> [UInt8] {
  let text = try #require(hex as? String)
  return try #require(Hex.decode(text))
}

/// A hash as people write it, in wire byte order.
func shownHash(_ hex: Any?) throws -> Bytes32 {
  let text = try #require(hex as? String)
  return try #require(Bytes32(hex: text)).reversed
}

let skipNote: Comment = "vectors missing: run scripts/setup"
