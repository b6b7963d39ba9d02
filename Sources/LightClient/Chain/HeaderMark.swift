import Bytes

/// What the best chain keeps of a header in memory: 40 bytes. The hash identifies the header, and
/// the rules read only the time and the difficulty of ancestors. The 80 bytes themselves are on
/// disk.
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
