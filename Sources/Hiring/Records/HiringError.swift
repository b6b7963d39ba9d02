import Bitcoin
import Channel
import Market
import Wallet

/// Why what was stored by an earlier program cannot be taken up again.
public enum HiringError: Error, Equatable {
  /// The bytes are no such record: a damaged disk, or a later version.
  case damaged(StaticReason)
  /// A record names another that was not restored before it.
  case unknown(StaticReason)
  case channel(number: UInt8, ChannelError)
  case wallet(WalletError)

  /// One line for people.
  public var message: String {
    switch self {
    case .damaged(let what): return "the stored " + what.text + " cannot be read"
    case .unknown(let what): return "a stored record names a " + what.text + " that is not there"
    case .channel(let number, let error): return "channel \(number): " + error.message
    case .wallet(let error): return error.message
    }
  }
}
