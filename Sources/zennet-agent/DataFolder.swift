import Agent
import Bitcoin
import Bytes
import Crypto
import Host
import Market
import Sandbox
import Storage

/// The data folder: seed, ledger and chain cache.
struct DataFolder {
  let path: String
  /// Held while the program runs: one agent per folder.
  private let lock: FileLock
  let secrets: AgentSecrets
  let ledger: Ledger
  let cache: ChainCache

  /// Opens or creates the folder; on failure ends the program with the reason.
  static func open(_ configuration: Configuration) -> DataFolder {
    let path = String(decoding: configuration.dataFolder, as: UTF8.self)
    do throws(HostError) { try Files.makeFolder(path, mode: 0o700) } catch {
      Output.fail(.disk, error.message)
    }
    let lock: FileLock
    do throws(HostError) { lock = try FileLock(path + "/lock") } catch {
      if case .locked = error {
        Output.fail(.unavailable, error.message + " (is another agent running?)")
      }
      Output.fail(error.isUnwritable ? .disk : .system, error.message)
    }
    let seed = seed(path + "/seed")
    do throws(StorageError) {
      return DataFolder(
        path: path, lock: lock, secrets: AgentSecrets(seed: seed),
        ledger: try Ledger(path: path + "/ledger.db"),
        cache: try ChainCache(path: path + "/chain.db"))
    } catch { Output.fail(error) }
  }

  /// The provider's seed, created at the first start. All keys depend on it, so it is on disk
  /// before it is used.
  private static func seed(_ path: String) -> Bytes32 {
    do throws(HostError) {
      if Files.exists(path) {
        let bytes = try Files.read(path, limit: 64)
        guard let seed = Bytes32(exactly: bytes) else {
          Output.fail(.storage, path + ": is not a seed of 32 bytes; restore it from a copy")
        }
        return seed
      }
      let seed = Entropy.bytes32()
      try Files.writeAtomically(path, seed.array, mode: 0o600)
      return seed
    } catch { Output.fail(error.isUnwritable ? .disk : .storage, error.message) }
  }
}

/// Kinds of documents in the ledger.
enum DocumentKind {
  static let lease: UInt32 = 1
  static let report: UInt32 = 2
  /// Documents that the core keeps across leases.
  static let memory: UInt32 = 3
  /// Archived leases.
  static let archivedLease: UInt32 = 4
}
