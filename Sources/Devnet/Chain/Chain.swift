import Bitcoin
import Bytes
import Crypto
import Host

/// A change of the best chain: blocks that left it, newest first, and blocks that joined it, oldest
/// first.
public struct ChainChange: Sendable {
  public var disconnected: [ConnectedBlock] = []
  public var connected: [ConnectedBlock] = []

  public var isEmpty: Bool { disconnected.isEmpty && connected.isEmpty }

  /// Appends a later change.
  mutating func merge(_ later: ChainChange) {
    disconnected += later.disconnected
    connected += later.connected
  }
}

/// A block with its hash and height.
public struct ConnectedBlock: Sendable {
  public let hash: Bytes32
  public let height: UInt32
  public let block: Block
}

/// The node's best chain: validated by the kernel, with indexes that the kernel's interface lacks:
/// coins by outpoint, transactions by id, filters by block.
///
/// The indexes are derived from the blocks, kept in memory, and rebuilt at each start.
public final class Chain {
  /// A block of the best chain.
  struct Link {
    let hash: Bytes32
    let header: BlockHeader
  }

  let kernel: Kernel
  private let log: BlockLog
  /// The best chain by height; never empty.
  private(set) var links: [Link] = []
  private(set) var coins: [OutPoint: Coin] = [:]
  private var heights: [Bytes32: UInt32] = [:]
  private(set) var filters = FilterIndex()

  /// Opens or creates the chain in `directory`: the kernel's databases and the block log. If the
  /// databases cannot be opened, they are deleted and rebuilt from the log.
  public init(directory: String) throws(DevnetError) {
    let opened = try BlockLog.open(path: directory + "/blocks.log")
    log = opened.log
    kernel = try Chain.openKernel(directory + "/kernel")
    for block in opened.blocks {
      // The databases contain it already, unless the last process was killed.
      let header = Array(block.prefix(BlockHeader.byteCount))
      if kernel.isOnBestChain(Sha256.double(header)) { continue }
      let verdict = kernel.process(block: block)
      if case .rejected(let reason) = verdict { throw DevnetError.blockRejected(reason: reason) }
    }
    guard let genesis = kernel.entry(height: 0), let bytes = kernel.block(hash: genesis.hash),
      let block = try? Block.decode(bytes)
    else { throw DevnetError.kernelFailed(what: "reading the genesis block", directory: directory) }
    connect(ConnectedBlock(hash: genesis.hash, height: 0, block: block))
    _ = try follow()
  }

  private static func openKernel(_ directory: String) throws(DevnetError) -> Kernel {
    do throws(DevnetError) {
      return try Kernel(directory: directory)
    } catch {
      try hosting { () throws(HostError) in try Files.removeTree(directory) }
      return try Kernel(directory: directory)
    }
  }

  // MARK: Reading

  public var height: UInt32 { UInt32(links.count - 1) }
  public var tipHash: Bytes32 { links[links.count - 1].hash }
  public var tipHeader: BlockHeader { links[links.count - 1].header }

  /// The block of the best chain at `height`; nil above the tip.
  public func hash(at height: UInt32) -> Bytes32? {
    height <= self.height ? links[Int(height)].hash : nil
  }

  /// The height of a block of the best chain; nil for any other.
  public func height(of hash: Bytes32) -> UInt32? {
    guard let entry = kernel.entry(hash: hash), self.hash(at: entry.height) == hash else {
      return nil
    }
    return entry.height
  }

  public func header(at height: UInt32) -> BlockHeader? {
    height <= self.height ? links[Int(height)].header : nil
  }

  /// Any stored block, on the best chain or not.
  public func block(hash: Bytes32) -> Block? {
    guard let bytes = kernel.block(hash: hash) else { return nil }
    return try? Block.decode(bytes)
  }

  /// The height of the best chain's block that holds `txid`.
  public func height(ofTransaction txid: Bytes32) -> UInt32? { heights[txid] }

  /// A confirmed transaction.
  public func transaction(_ txid: Bytes32) -> Transaction? {
    guard let height = heights[txid], let hash = hash(at: height), let block = block(hash: hash)
    else { return nil }
    return block.transactions.first { $0.txid == txid }
  }

  /// The median of the last eleven block times up to `height` (BIP113), in seconds since 1970.
  public func medianTimePast(at height: UInt32) -> UInt32 {
    let last = min(Int(height), links.count - 1)
    let times = links[max(0, last - 10)...last].map(\.header.time).sorted()
    return times[times.count / 2]
  }

  // MARK: Adding blocks

  /// Processes a block with the kernel, writes it to disk if it was accepted, and follows the best
  /// chain.
  ///
  /// - Parameter isDurable: false for many reproducible blocks in a row; the next durable block
  ///   syncs them too.
  public func accept(
    _ block: [UInt8], isDurable: Bool = true
  ) throws(DevnetError) -> ChainChange {
    switch kernel.process(block: block) {
    case .rejected(let reason): throw DevnetError.blockRejected(reason: reason)
    case .accepted(isNew: true):
      try log.append(block)
      if isDurable { try log.sync() }
    case .accepted(isNew: false): break
    }
    return try follow()
  }

  /// Updates the indexes to the kernel's best chain.
  private func follow() throws(DevnetError) -> ChainChange {
    var change = ChainChange()
    while !kernel.isOnBestChain(tipHash) { change.disconnected.append(try disconnectTip()) }
    while let entry = kernel.entry(height: height + 1) {
      guard let block = block(hash: entry.hash) else {
        throw DevnetError.kernelFailed(what: "reading a block", directory: entry.hash.reversed.hex)
      }
      let connected = ConnectedBlock(hash: entry.hash, height: entry.height, block: block)
      connect(connected)
      change.connected.append(connected)
    }
    return change
  }

  private func connect(_ connected: ConnectedBlock) {
    links.append(Link(hash: connected.hash, header: connected.block.header))
    var spentScripts: [[UInt8]] = []
    for transaction in connected.block.transactions {
      let txid = transaction.txid
      if !transaction.isCoinbase {
        for input in transaction.inputs {
          guard let coin = coins.removeValue(forKey: input.previous) else {
            preconditionFailure("the kernel connected a block that spends a coin unknown here")
          }
          spentScripts.append(coin.output.scriptPubKey)
        }
      }
      // The genesis coinbase cannot be spent (consensus rule).
      if connected.height > 0 { add(outputsOf: transaction, txid, connected.height) }
      heights[txid] = connected.height
    }
    filters.add(
      block: connected.block, hash: connected.hash, spentScripts: spentScripts)
  }

  private func add(outputsOf transaction: Transaction, _ txid: Bytes32, _ height: UInt32) {
    for (index, output) in transaction.outputs.enumerated() {
      if output.scriptPubKey.first == 0x6a { continue }
      coins[OutPoint(txid: txid, index: UInt32(index))] = Coin(
        output: output, height: height, isCoinbase: transaction.isCoinbase)
    }
  }

  private func disconnectTip() throws(DevnetError) -> ConnectedBlock {
    let hash = tipHash
    guard height > 0, let block = block(hash: hash), let spent = kernel.spentCoins(hash: hash),
      spent.count == block.transactions.count - 1
    else {
      throw DevnetError.kernelFailed(what: "undoing a block", directory: hash.reversed.hex)
    }
    let connected = ConnectedBlock(hash: hash, height: height, block: block)
    for index in block.transactions.indices.reversed() {
      let transaction = block.transactions[index]
      let txid = transaction.txid
      for output in transaction.outputs.indices {
        coins[OutPoint(txid: txid, index: UInt32(output))] = nil
      }
      heights[txid] = nil
      if index > 0 { restore(transaction.inputs, spent[index - 1]) }
    }
    links.removeLast()
    return connected
  }

  private func restore(_ inputs: [TransactionInput], _ spent: [KernelCoin]) {
    for (input, coin) in zip(inputs, spent) {
      let output = TransactionOutput(
        amountSat: coin.output.amountSat, scriptPubKey: coin.output.scriptPubKey)
      coins[input.previous] = Coin(
        output: output, height: coin.height, isCoinbase: coin.isCoinbase)
    }
  }
}
