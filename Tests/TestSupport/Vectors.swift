import Foundation

/// Test data that nobody here wrote: the source package of py-bitcoinkernel, which scripts/setup
/// unpacks. `ZENNET_VECTORS` names another place.
public enum Vectors {
  public static let root: String =
    ProcessInfo.processInfo.environment["ZENNET_VECTORS"]
    ?? (ProcessInfo.processInfo.environment["XDG_CACHE_HOME"] ?? NSHomeDirectory() + "/.cache")
    + "/zennet/bitcoin-src"

  /// Bitcoin Core's tree inside it.
  public static let bitcoin = root + "/depend/bitcoin"

  /// For `.enabled(if:)`, so that a test without its data says so.
  public static let areHere = FileManager.default.fileExists(atPath: bitcoin)

  /// A file of Bitcoin Core's tree, such as `src/test/data/sighash.json`.
  public static func data(_ path: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: bitcoin + "/" + path))
  }

  public static func json(_ path: String) throws -> Any {
    try JSONSerialization.jsonObject(with: data(path), options: [.fragmentsAllowed])
  }

  public static func text(_ path: String) throws -> String {
    String(decoding: try data(path), as: UTF8.self)
  }
}
