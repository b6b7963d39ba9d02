import Bitcoin
import Bytes
import Foundation
import Host
import Storage

/// Why a wallet's folder cannot be used.
public enum WalletFolderError: Error, Equatable {
  case host(HostError)
  case storage(StorageError)
  case wallet(WalletError)
  /// There is no wallet at this path.
  case missing(path: String)
  /// A wallet exists already; it is not overwritten.
  case exists(path: String)
  /// An invalid line of the phrase file, counted from 1.
  case line(path: String, number: Int)

  public var message: String {
    switch self {
    case .host(let error): return error.message
    case .storage(let error): return error.message
    case .wallet(let error): return error.message
    case .missing(let path): return "\(path): no wallet here; create one with `zennet wallet new`"
    case .exists(let path): return "\(path): a wallet exists here already"
    case .line(let path, let number):
      return "\(path), line \(number): expected `phrase = …` or `born = …`"
    }
  }
}

/// A wallet on disk: `phrase`, which suffices to spend the coins and is not encrypted (mode 600);
/// `state`, the wallet's record of the chain; `chain.db`, the light client's cache. Only one
/// process may use it at a time.
public final class WalletFolder {
  public let path: String
  public let network: Network
  public let phrase: Phrase
  public let keys: WalletKeys
  public let cache: ChainCache
  /// The wallet as stored when the folder was opened.
  public let wallet: Wallet
  /// When the phrase was made (seconds since 1970); 0 if unknown.
  public let bornUnixSeconds: UInt64
  private let lock: FileLock

  private static let stateLimit = 256 << 20

  /// Creates a wallet. `bornUnixSeconds` is 0 for a phrase that was used before.
  public static func create(
    path: String, phrase: Phrase, bornUnixSeconds: UInt64
  ) throws(WalletFolderError) {
    let file = path + "/phrase"
    if Files.exists(file) { throw .exists(path: file) }
    let text = """
      # A Zennet wallet. Anyone who reads the phrase can spend the coins.
      phrase = \(phrase.text)
      born = \(bornUnixSeconds)

      """
    do throws(HostError) {
      try Files.makeFolder(path)
      try Files.writeAtomically(file, Array(text.utf8), mode: 0o600)
    } catch { throw .host(error) }
  }

  /// Opens the wallet at `path` and takes its lock.
  public init(path: String, network: Network) throws(WalletFolderError) {
    self.path = path
    self.network = network
    if !Files.exists(path + "/phrase") { throw .missing(path: path) }
    let (phrase, born) = try WalletFolder.readPhrase(path + "/phrase")
    self.phrase = phrase
    bornUnixSeconds = born
    do throws(HostError) { lock = try FileLock(path + "/lock") } catch { throw .host(error) }
    do throws(StorageError) {
      cache = try ChainCache(path: path + "/chain.db")
    } catch { throw .storage(error) }
    var state: [UInt8]?
    if Files.exists(path + "/state") {
      do throws(HostError) {
        state = try Files.read(path + "/state", limit: WalletFolder.stateLimit)
      } catch { throw .host(error) }
    }
    do throws(WalletError) {
      keys = try WalletKeys(phrase: phrase, network: network)
      if let state {
        wallet = try Wallet(document: state, keys: keys, network: network)
      } else {
        wallet = try Wallet(keys: keys, network: network, birthHeight: born == 0 ? 0 : nil)
      }
    } catch { throw .wallet(error) }
  }

  private static func readPhrase(
    _ path: String
  ) throws(WalletFolderError) -> (phrase: Phrase, born: UInt64) {
    let bytes: [UInt8]
    do throws(HostError) { bytes = try Files.read(path, limit: 4096) } catch { throw .host(error) }
    var phrase: Phrase?
    var born: UInt64 = 0
    let lines = String(decoding: bytes, as: UTF8.self).split(
      separator: "\n", omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let trimmed = line.trimmingCharacters(in: .whitespaces)
      if trimmed.isEmpty || trimmed.hasPrefix("#") { continue }
      let parts = trimmed.split(separator: "=", maxSplits: 1).map {
        $0.trimmingCharacters(in: .whitespaces)
      }
      if parts.count == 2, parts[0] == "phrase" {
        do throws(WalletError) { phrase = try Phrase(parts[1]) } catch { throw .wallet(error) }
      } else if parts.count == 2, parts[0] == "born", let seconds = UInt64(parts[1]) {
        born = seconds
      } else {
        throw .line(path: path, number: index + 1)
      }
    }
    guard let phrase else { throw .line(path: path, number: lines.count) }
    return (phrase, born)
  }

  /// Writes the output of ``Wallet/encode()`` durably.
  public func save(_ state: [UInt8]) throws(WalletFolderError) {
    do throws(HostError) {
      try Files.writeAtomically(path + "/state", state, mode: 0o600)
    } catch { throw .host(error) }
  }
}
