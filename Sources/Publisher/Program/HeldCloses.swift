import Bitcoin
import Channel
import Hiring
import Host
import Wallet

/// The publisher's fully signed closes of unspent channels, broadcast instead of refunds.
public enum HeldCloses {
  /// Reads them from the ledger, by the channel's funding. Unreadable records are skipped; they are
  /// reported with their run.
  public static func read(_ folder: WalletFolder) -> [OutPoint: Transaction] {
    let path = folder.path + "/ledger.db"
    guard Files.exists(path), let ledger = try? RunLedger(path: path) else { return [:] }
    return read(ledger, folder.keys)
  }

  static func read(_ ledger: RunLedger, _ keys: WalletKeys) -> [OutPoint: Transaction] {
    var closes: [OutPoint: Transaction] = [:]
    for id in (try? ledger.unclosedLeases()) ?? [] {
      guard let lease = try? ledger.lease(id) else { continue }
      for number in lease.record.channels.indices {
        guard let channel = lease.channel(number, keys), channel.spendHeight == nil,
          let funding = channel.funding, channel.closeSignatures != nil
        else { continue }
        let rungs = channel.terms.feeLadderSatPerKvB.indices
        let close = rungs.lazy.compactMap { try? channel.closingTransaction(rung: $0) }.first
        if let close { closes[funding] = close }
      }
    }
    return closes
  }
}

extension StoredLease {
  /// One channel of a lease; nil if it is not stored or unreadable.
  func channel(_ number: Int, _ keys: WalletKeys) -> PublisherChannel? {
    guard let state = channels[UInt8(number)] else { return nil }
    let index = record.channels[number].channelIndex
    guard let secret = try? keys.derivedSecret(.channel, index: index) else { return nil }
    return try? PublisherChannel(restoring: state, secret: secret)
  }
}
