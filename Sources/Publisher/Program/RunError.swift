import Bundles
import Host
import Storage
import Wallet

/// Why a publisher's program fails.
public enum RunError: Error, Equatable {
  /// The request is invalid or impossible.
  case usage(String)
  case host(HostError)
  case storage(StorageError)
  case wallet(WalletError)
  case folder(WalletFolderError)
  case bundles(BundlesError)
  /// A file of the data folder is unreadable.
  case damaged(String)

  public var message: String {
    switch self {
    case .usage(let text), .damaged(let text): return text
    case .host(let error): return error.message
    case .storage(let error): return error.message
    case .wallet(let error): return error.message
    case .folder(let error): return error.message
    case .bundles(let error): return error.message
    }
  }
}
