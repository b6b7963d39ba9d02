/// How a development node runs.
public struct DevnetOptions: Sendable {
  /// The data folder; made when missing.
  public var directory: String
  /// Where peers connect, on 127.0.0.1. 0 takes any free port.
  public var port: UInt16 = 0
  /// Seconds between blocks; nil for blocks on demand only.
  public var blockIntervalSeconds: UInt32?
  /// A new chain is given this many blocks, so that the faucet has mature coins.
  public var initialBlocks: UInt32 = 101
  public var policy = RelayPolicy()
  /// Listens on `devnet.sock` in the data folder for `zennet devnet …`.
  public var hasControlSocket = true
  /// Called with each line for the log. Nil keeps silent.
  public var log: (@Sendable (String) -> Void)?

  public init(directory: String) { self.directory = directory }
}
