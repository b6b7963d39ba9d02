/// The options of a development node.
public struct DevnetOptions: Sendable {
  /// The data folder; created if missing. Only one process may use it at a time.
  public var directory: String
  /// The port for peers on 127.0.0.1; 0 for any free port.
  public var port: UInt16 = 0
  /// Seconds between blocks; nil for blocks on demand only.
  public var blockIntervalSeconds: UInt32?
  /// A new chain starts with this many blocks, ten minutes apart and all in the past, so that the
  /// faucet has mature coins.
  public var initialBlocks: UInt32 = 101
  public var policy = RelayPolicy()
  /// Whether to listen on ``controlPath`` for `zennet devnet …`.
  public var hasControlSocket = true
  /// Receives events on the node's thread. Must not call the node.
  public var observer: (@Sendable (DevnetEvent) -> Void)?

  public init(directory: String) { self.directory = directory }

  /// The Unix socket of the node on this folder.
  public var controlPath: String { DevnetOptions.controlPath(directory: directory) }

  public static func controlPath(directory: String) -> String { directory + "/devnet.sock" }
}
