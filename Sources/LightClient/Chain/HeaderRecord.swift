import Bitcoin
import Bytes

/// A header of a branch in memory: 80 bytes. Its parent's hash is in the record before it.
struct HeaderRecord {
  var hash: Bytes32
  var merkleRoot: Bytes32
  var version: Int32
  var time: UInt32
  var bits: UInt32
  var nonce: UInt32

  init(_ header: BlockHeader, hash: Bytes32) {
    self.hash = hash
    self.merkleRoot = header.merkleRoot
    self.version = header.version
    self.time = header.time
    self.bits = header.bits
    self.nonce = header.nonce
  }

  func header(previous: Bytes32) -> BlockHeader {
    BlockHeader(
      version: version, previous: previous, merkleRoot: merkleRoot, time: time, bits: bits,
      nonce: nonce)
  }
}
