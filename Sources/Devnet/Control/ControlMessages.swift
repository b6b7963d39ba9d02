/// What `zennet devnet …` asks of a running node: one JSON object on one line.
public struct ControlRequest: Codable, Equatable, Sendable {
  public enum Command: String, Codable, Sendable {
    case tip, mine, faucet, transaction, send, block, reorg, mempool, stop
  }

  public var command: Command
  /// mine: how many blocks; 1 when nil.
  public var count: UInt32?
  /// mine: who earns; faucet: who is paid.
  public var address: String?
  /// faucet.
  public var amountSat: UInt64?
  /// transaction, as shown to people.
  public var txid: String?
  /// block: a hash as shown to people, or a height.
  public var block: String?
  /// reorg.
  public var depth: UInt32?
  /// send: a serialised transaction.
  public var hex: String?
  /// mine: what pays less waits.
  public var minimumFeeSatPerKvB: UInt64?

  public init(_ command: Command) { self.command = command }
}

/// What the node answers: one JSON object on one line. Hashes and ids are as shown to people.
public struct ControlResponse: Codable, Equatable, Sendable {
  /// Why it was not done; everything else is nil then.
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

/// A block for people and programs.
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

/// A transaction for people and programs.
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
    /// Nil for a script that has no address.
    public var address: String?
  }

  public var txid: String
  public var wtxid: String
  public var hex: String
  public var virtualSize: Int
  public var lockTime: UInt32
  /// Nil while it waits in the mempool, as are the next two.
  public var height: UInt32?
  public var blockHash: String?
  public var confirmations: UInt32?
  /// Known while it waits in the mempool.
  public var feeSat: UInt64?
  public var inputs: [Input]
  public var outputs: [Output]
}
