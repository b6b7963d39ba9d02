import ArgumentParser
import Bitcoin
import Bytes
import Foundation
import Host
import Wallet

extension WalletCommand {
  struct New: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Create a wallet from a new or an existing phrase.")

    @OptionGroup var place: Place

    @Option(help: "The number of words of a new phrase: 12 or 24.")
    var words = 12

    @Option(help: "Read the phrase from this file; - for standard input.")
    var phraseFile: String?

    func validate() throws {
      if words != 12 && words != 24 { throw ValidationError("--words: 12 or 24") }
    }

    func run() throws {
      let network = try place.chain()
      let path = try place.path()
      let phrase = try phrase()
      let born = phraseFile == nil ? Clock.unixSeconds() : 0
      let folder = try WalletCommand.reporting { () throws(WalletFolderError) in
        try WalletFolder.create(path: path, phrase: phrase, bornUnixSeconds: born)
        return try WalletFolder(path: path, network: network)
      }
      let address = Address.text(scriptPubKey: folder.wallet.receiveScript, network: network) ?? ""
      if place.json {
        var answer: [String: Any] = [
          "address": address, "data": path, "network": network.nameText,
        ]
        if phraseFile == nil { answer["phrase"] = phrase.text }
        WalletCommand.show(json: answer)
        return
      }
      if phraseFile == nil {
        Output.line("Write these words down: they are the wallet.\n\n  \(phrase.text)\n")
      }
      Output.line("address  \(address)")
    }

    private func phrase() throws -> Phrase {
      do throws(WalletError) {
        guard let phraseFile else {
          return try Phrase(entropy: Entropy.bytes(words == 24 ? 32 : 16))
        }
        let data =
          phraseFile == "-"
          ? FileHandle.standardInput.readDataToEndOfFile()
          : FileManager.default.contents(atPath: phraseFile)
        return try Phrase(String(decoding: data ?? Data(), as: UTF8.self))
      } catch { throw WalletCommand.fail(error.message) }
    }
  }

  struct ShowAddress: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "address", abstract: "Show a receiving address. Needs no peer.")

    @OptionGroup var place: Place

    @Flag(help: "Show a new address that was never shown before.")
    var new = false

    func run() throws {
      let folder = try place.open()
      var wallet = folder.wallet
      var script = wallet.receiveScript
      if new {
        try WalletCommand.reporting { () throws(WalletFolderError) in
          do throws(WalletError) { script = try wallet.freshReceiveScript() } catch {
            throw WalletFolderError.wallet(error)
          }
          try folder.save(wallet.encode())
        }
      }
      let address = Address.text(scriptPubKey: script, network: folder.network) ?? ""
      if place.json { WalletCommand.show(json: ["address": address]) } else { Output.line(address) }
    }
  }

  struct Balance: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show the wallet's balance and the coins locked in channels.",
      discussion: """
        The coins of channels that were neither closed nor refunded are locked: the amount paid \
        through a channel belongs to the provider, the rest returns with the close, or after the \
        expiry height. They are not part of the total.
        """)

    @OptionGroup var place: Place
    @OptionGroup var peers: Peers

    func run() throws {
      let session = try peers.synced(place)
      let balance = session.wallet.balance
      let channels = session.wallet.lockedChannels
      if place.json {
        let answer: [String: Any] = [
          "height": Int(session.height), "spendable_sat": balance.spendableSat,
          "immature_sat": balance.immatureSat, "incoming_sat": balance.incomingSat,
          "total_sat": balance.totalSat, "locked_sat": balance.lockedSat,
          "locked": channels.map { Balance.row($0) },
        ]
        WalletCommand.show(json: session.withDeeds(answer))
        return
      }
      Output.line("spendable  \(WalletCommand.coins(balance.spendableSat))")
      for (name, amountSat) in [
        ("immature", balance.immatureSat), ("incoming", balance.incomingSat),
        ("locked  ", balance.lockedSat),
      ] where amountSat > 0 {
        Output.line("\(name)   \(WalletCommand.coins(amountSat))")
      }
      for channel in channels {
        let waits = channel.fundingHeight == nil ? ", its funding is unconfirmed" : ""
        Output.line(
          "  \(WalletCommand.coins(channel.capacitySat))  in "
            + WalletCommand.text(channel.outPoint)
            + ", expires at height \(channel.expiryHeight)" + waits)
      }
      Output.line("at height  \(session.height)")
    }

    private static func row(_ channel: LockedChannel) -> [String: Any] {
      var row: [String: Any] = [
        "channel": WalletCommand.text(channel.outPoint), "capacity_sat": channel.capacitySat,
        "expiry_height": Int(channel.expiryHeight), "index": Int(channel.channelIndex),
        "provider_key": Hex.encode(channel.providerKey),
      ]
      if let height = channel.fundingHeight { row["funding_height"] = Int(height) }
      return row
    }
  }

  struct SendCoins: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "send", abstract: "Pay to an address.")

    @OptionGroup var place: Place
    @OptionGroup var peers: Peers

    @Argument(help: "A witness address (bech32 or bech32m).")
    var address: String

    @Argument(help: "The amount in sat, or `all`.")
    var amount: String

    @Option(help: "Sat per virtual byte, such as 2 or 0.1; by default the current estimate.")
    var feeRate: String?

    func run() throws {
      let network = try place.chain()
      let script: [UInt8]
      do { script = try Address.scriptPubKey(address, network: network) } catch {
        throw WalletCommand.fail(error.message)
      }
      let amountSat = UInt64(amount)
      if amountSat == nil && amount != "all" {
        throw ValidationError("the amount is a number of sat, or `all`")
      }
      let rate = feeRate.flatMap(FeeRate.parse)
      if feeRate != nil && rate == nil {
        throw ValidationError("--fee-rate: a number of sat with at most three decimals")
      }
      let session = try peers.synced(place)
      let transaction = try session.send(amountSat, to: script, feeRateSatPerKvB: rate)
      let txid = transaction.txid
      let feeSat = session.wallet.transaction(txid)?.feeSat ?? 0
      if place.json {
        WalletCommand.show(
          json: session.withDeeds([
            "txid": txid.reversed.hex, "fee_sat": feeSat,
            "virtual_size": transaction.virtualSize,
          ]))
      } else {
        Output.line("\(txid.reversed.hex)  fee \(feeSat) sat")
      }
    }
  }

  struct History: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the wallet's transactions, the newest first.")

    @OptionGroup var place: Place
    @OptionGroup var peers: Peers

    func run() throws {
      let session = try peers.synced(place)
      let entries = session.wallet.history
      let kinds = session.wallet.kinds
      if place.json {
        let rows = entries.map { History.row($0, kinds[$0.txid]) }
        WalletCommand.show(
          json: session.withDeeds(["height": Int(session.height), "transactions": rows]))
        return
      }
      for entry in entries {
        let gained = entry.receivedSat >= entry.spentSat
        let change =
          gained
          ? entry.receivedSat - entry.spentSat : entry.spentSat - entry.receivedSat
        let height = entry.height.map { String($0) } ?? "unconfirmed"
        Output.line(
          "\(entry.txid.reversed.hex)  \(gained ? "+" : "-")\(WalletCommand.coins(change))"
            + "  \(height)  " + History.text(kinds[entry.txid]))
      }
    }

    private static func row(
      _ entry: WalletTransaction, _ kind: WalletTransactionKind?
    ) -> [String: Any] {
      var row: [String: Any] = [
        "txid": entry.txid.reversed.hex, "received_sat": entry.receivedSat,
        "spent_sat": entry.spentSat,
      ]
      if let height = entry.height { row["height"] = Int(height) }
      if let feeSat = entry.feeSat { row["fee_sat"] = feeSat }
      if let kind { row["kind"] = kind.name }
      if case .funding(let channels) = kind { row["channels"] = channels }
      return row
    }

    private static func text(_ kind: WalletTransactionKind?) -> String {
      if case .funding(let channels) = kind {
        return channels == 1 ? "funding of a channel" : "funding of \(channels) channels"
      }
      return kind?.name ?? ""
    }
  }
}
