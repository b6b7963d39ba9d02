import Bitcoin
import Channel
import Market
import Wallet

/// Why stored state cannot be restored.
public enum HiringError: Error, Equatable {
  /// The record is damaged or has an unknown version.
  case damaged(StaticReason)
  /// The record refers to another one that was not restored before it.
  case unknown(StaticReason)
  case channel(number: UInt8, ChannelError)
  case wallet(WalletError)

  /// A one-line message.
  public var message: String {
    switch self {
    case .damaged(let what): return "the stored " + what.text + " cannot be read"
    case .unknown(let what): return "a stored record refers to a missing " + what.text
    case .channel(let number, let error): return "channel \(number): " + error.message
    case .wallet(let error): return error.message
    }
  }
}
