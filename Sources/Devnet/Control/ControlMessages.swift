/// A request of `zennet devnet …` to a running node: one JSON object on one line.
public struct ControlRequest: Codable, Equatable, Sendable {
  public enum Command: String, Codable, Sendable {
    case tip, mine, faucet, transaction, send, block, reorg, mempool, stop
  }

  public var command: Command
  /// mine: number of blocks; 1 if nil.
  public var count: UInt32?
  /// mine: the payout address; faucet: the receiver's address.
  public var address: String?
  /// faucet.
  public var amountSat: UInt64?
  /// transaction: the id as displayed.
  public var txid: String?
  /// block: a hash as displayed, or a height.
  public var block: String?
  /// reorg.
  public var depth: UInt32?
  /// send: a serialised transaction.
  public var hex: String?
  /// mine: transactions that pay less are left out.
  public var minimumFeeSatPerKvB: UInt64?

  public init(_ command: Command) { self.command = command }
}

/// The node's answer: one JSON object on one line. Hashes and ids are as displayed.
public struct ControlResponse: Codable, Equatable, Sendable {
  /// The reason for a refusal; everything else is nil then.
  public var error: String?
  public var height: UInt32?
  public var hash: String?
  /// mine: the new blocks.
  public var hashes: [String]?
  public var txid: String?
  public var block: BlockView?
  public var transaction: TransactionView?
  /// mempool: ids, parents before children.
  public var txids: [String]?
  public var peers: Int?

  public init() {}
}

/// A block as displayed and in JSON.
public struct BlockView: Codable, Equatable, Sendable {
  public var hash: String
  public var height: UInt32
  /// Seconds since 1970.
  public var time: UInt32
  public var previous: String
  /// False for a block that left the best chain.
  public var isOnBestChain: Bool
  public var txids: [String]
}

/// A transaction as displayed and in JSON.
public struct TransactionView: Codable, Equatable, Sendable {
  public struct Input: Codable, Equatable, Sendable {
    public var txid: String
    public var index: UInt32
    public var sequence: UInt32
    public var witness: [String]
  }

  public struct Output: Codable, Equatable, Sendable {
    public var amountSat: UInt64
    public var scriptPubKey: String
    /// Nil for a script without an address.
    public var address: String?
  }

  public var txid: String
  public var wtxid: String
  public var hex: String
  public var virtualSize: Int
  public var lockTime: UInt32
  /// Nil while it is in the mempool, as are the next two.
  public var height: UInt32?
  public var blockHash: String?
  public var confirmations: UInt32?
  /// Known while it is in the mempool.
  public var feeSat: UInt64?
  public var inputs: [Input]
  public var outputs: [Output]
}
