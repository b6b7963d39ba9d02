import Bytes

/// What the best chain keeps of a header in memory: 40 bytes. Its hash stands for all of it, and the
/// rules ask for no more of a header's ancestors than time and difficulty; blocks bring their own
/// headers along. The 80 bytes themselves are on disk.
struct HeaderMark {
  var hash: Bytes32
  var time: UInt32
  var bits: UInt32

  init(_ record: HeaderRecord) {
    hash = record.hash
    time = record.time
    bits = record.bits
  }

  init(hash: Bytes32, time: UInt32, bits: UInt32) {
    self.hash = hash
    self.time = time
    self.bits = bits
  }
}
