import Bytes
import Crypto

/// BIP158's basic filter of a block: a Golomb-coded set of the scripts of its outputs and of the
/// outputs that it spends. Matching has false positives, but no false negatives.
public struct BlockFilter: Equatable, Sendable {
  /// The Golomb-Rice parameter: bits of a remainder.
  static let remainderBits = 19
  /// A script that is not in the block matches with probability 1 in this number.
  static let inverseFalsePositiveRate: UInt64 = 784_931
  /// An element takes at least one bit of quotient and its remainder.
  static let minElementBits = 20

  /// The content of `cfilter`: the number of elements, then the coded set.
  public let encoded: [UInt8]
  /// Wire byte order.
  public let blockHash: Bytes32

  public init(encoded: [UInt8], blockHash: Bytes32) {
    self.encoded = encoded
    self.blockHash = blockHash
  }

  /// SHA-256d of the encoded filter, as in `cfheaders`.
  public var hash: Bytes32 { Sha256.double(encoded) }

  /// BIP157's filter header: SHA-256d of this filter's hash and the previous header. Zero before
  /// the genesis block.
  public func header(previous: Bytes32) -> Bytes32 {
    BlockFilter.header(filterHash: hash, previous: previous)
  }

  public static func header(filterHash: Bytes32, previous: Bytes32) -> Bytes32 {
    Sha256.double(filterHash.array + previous.array)
  }

  private static func sipHash(_ blockHash: Bytes32) -> SipHash {
    SipHash(key: Array(blockHash.array[0..<16]))
  }

  /// Maps a 64-bit hash evenly to 0 ..< range.
  private static func reduce(_ hash: UInt64, _ range: UInt64) -> UInt64 {
    hash.multipliedFullWidth(by: range).high
  }

  // MARK: Building

  /// The filter of a block. `spentScripts` are the output scripts that its inputs spend, in any
  /// order, without the coinbase's input.
  public static func build(block: Block, spentScripts: [[UInt8]]) -> BlockFilter {
    var elements: [[UInt8]] = []
    for transaction in block.transactions {
      for output in transaction.outputs
      where !output.scriptPubKey.isEmpty && !Script.isOpReturn(output.scriptPubKey) {
        elements.append(output.scriptPubKey)
      }
    }
    for script in spentScripts where !script.isEmpty { elements.append(script) }
    return build(distinct(elements), blockHash: block.hash)
  }

  private static func distinct(_ elements: [[UInt8]]) -> [[UInt8]] {
    var seen = Set<[UInt8]>()
    var list: [[UInt8]] = []
    list.reserveCapacity(elements.count)
    for element in elements where seen.insert(element).inserted { list.append(element) }
    return list
  }

  private static func build(_ elements: [[UInt8]], blockHash: Bytes32) -> BlockFilter {
    let key = sipHash(blockHash)
    let range = UInt64(elements.count) * inverseFalsePositiveRate
    var values: [UInt64] = []
    values.reserveCapacity(elements.count)
    for element in elements { values.append(reduce(key.hash(element), range)) }
    values.sort()
    var count = ByteWriter(reserving: 3 + elements.count * 3)
    count.compactSize(elements.count)
    var bits = BitWriter(after: count.bytes)
    var last: UInt64 = 0
    for value in values {
      let delta = value - last
      last = value
      bits.unary(delta >> UInt64(remainderBits))
      bits.write(delta, count: remainderBits)
    }
    return BlockFilter(encoded: bits.finish(), blockHash: blockHash)
  }

  // MARK: Matching

  /// Whether any of `scripts` may be in the block. False is certain. The filter is decoded only as
  /// far as needed. A filter that ends too early, or that claims more elements than its bytes can
  /// hold, is malformed.
  public func matches(anyOf scripts: [[UInt8]]) throws(BitcoinError) -> Bool {
    try decoding { () throws(BytesError) in
      var cursor = try FilterCursor(encoded)
      if cursor.count == 0 || scripts.isEmpty { return false }
      let range = UInt64(cursor.count) * BlockFilter.inverseFalsePositiveRate
      let key = BlockFilter.sipHash(blockHash)
      var wanted: [UInt64] = []
      wanted.reserveCapacity(scripts.count)
      for script in scripts { wanted.append(BlockFilter.reduce(key.hash(script), range)) }
      wanted.sort()
      var index = 0
      while let value = try cursor.next() {
        while wanted[index] < value {
          index += 1
          if index == wanted.count { return false }
        }
        if wanted[index] == value { return true }
      }
      return false
    }
  }

  /// Decodes the whole filter, and refuses one that is truncated or has trailing bytes. Returns the
  /// number of elements.
  @discardableResult
  public func validate() throws(BitcoinError) -> Int {
    try decoding { () throws(BytesError) in
      var cursor = try FilterCursor(encoded)
      while try cursor.next() != nil {}
      try cursor.finish()
      return cursor.count
    }
  }
}
