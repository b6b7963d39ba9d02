import Bitcoin
import Bytes
import Channel

/// A wallet's stored data, without keys: the content of its file.
///
/// If the file is lost, the wallet is scanned again from its birth height, and unconfirmed
/// transactions are lost.
struct WalletRecord: Sendable {
  var birthHeight: UInt32?
  var scannedHeight: UInt32?
  var recentBlocks: [Wallet.ScannedBlock] = []
  var receive = ScriptBook.Chain()
  var change = ScriptBook.Chain()
  var nextChannel: UInt32 = 0
  var coins: [WalletCoin] = []
  var entries: [WalletTransaction] = []
  var channels: [LockedChannel] = []
}
