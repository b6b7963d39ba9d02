import Bitcoin
import Bytes

/// BIP158's basic filter of every block that was ever on the best chain, and BIP157's chain of
/// filter headers.
struct FilterIndex {
  struct Record {
    /// As in `cfilter`.
    let filter: [UInt8]
    let hash: Bytes32
    let header: Bytes32
  }

  private var records: [Bytes32: Record] = [:]

  /// Computes and stores the filter of `block`, whose parent must be stored already. `spentScripts`
  /// are the output scripts that its inputs spend.
  mutating func add(block: Block, hash: Bytes32, spentScripts: [[UInt8]]) {
    if records[hash] != nil { return }
    let filter = BlockFilter.build(block: block, spentScripts: spentScripts)
    let filterHash = filter.hash
    let previous = records[block.header.previous]?.header ?? .zero
    records[hash] = Record(
      filter: filter.encoded, hash: filterHash,
      header: BlockFilter.header(filterHash: filterHash, previous: previous))
  }

  func record(_ blockHash: Bytes32) -> Record? { records[blockHash] }
}
