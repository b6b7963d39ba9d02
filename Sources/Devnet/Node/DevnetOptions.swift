/// How a development node runs.
public struct DevnetOptions: Sendable {
  /// The data folder; made when missing. One process at a time uses it.
  public var directory: String
  /// Where peers connect, on 127.0.0.1. 0 takes any free port.
  public var port: UInt16 = 0
  /// Seconds between blocks; nil for blocks on demand only.
  public var blockIntervalSeconds: UInt32?
  /// A new chain is given this many blocks, ten minutes apart and all in the past, so that the
  /// faucet has mature coins.
  public var initialBlocks: UInt32 = 101
  public var policy = RelayPolicy()
  /// Listens on ``controlPath`` for `zennet devnet …`.
  public var hasControlSocket = true
  /// Hears what happens, on the node's thread. Must not call the node.
  public var observer: (@Sendable (DevnetEvent) -> Void)?

  public init(directory: String) { self.directory = directory }

  /// The Unix socket of the node on this folder.
  public var controlPath: String { DevnetOptions.controlPath(directory: directory) }

  public static func controlPath(directory: String) -> String { directory + "/devnet.sock" }
}
