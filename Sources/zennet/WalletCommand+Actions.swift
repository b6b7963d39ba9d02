import ArgumentParser
import Bitcoin
import Bytes
import Foundation
import Host
import Wallet

extension WalletCommand {
  struct New: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a wallet, of a new phrase or of one written down before.")

    @OptionGroup var place: Place

    @Option(help: "Words of a new phrase: 12 or 24.")
    var words = 12

    @Option(help: "Read a phrase from this file instead; - is standard input.")
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
      commandName: "address", abstract: "Show an address to be paid at. Needs no peer.")

    @OptionGroup var place: Place

    @Flag(help: "One that was never shown before.")
    var new = false

    func run() throws {
      let folder = try place.open()
      var script = folder.wallet.receiveScript
      if new {
        script = try WalletCommand.reporting { () throws(WalletFolderError) in
          do throws(WalletError) {
            script = try folder.wallet.freshReceiveScript()
          } catch { throw WalletFolderError.wallet(error) }
          try folder.save()
          return script
        }
      }
      let address = Address.text(scriptPubKey: script, network: folder.network) ?? ""
      if place.json { WalletCommand.show(json: ["address": address]) } else { Output.line(address) }
    }
  }

  struct Balance: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show what the wallet owns.")

    @OptionGroup var place: Place
    @OptionGroup var peers: Peers

    func run() throws {
      let session = try peers.synced(place)
      let balance = session.wallet.balance
      if place.json {
        WalletCommand.show(json: [
          "height": Int(session.height), "spendable_sat": balance.spendableSat,
          "immature_sat": balance.immatureSat, "incoming_sat": balance.incomingSat,
          "total_sat": balance.totalSat,
        ])
        return
      }
      Output.line("spendable  \(WalletCommand.coins(balance.spendableSat))")
      for (name, amountSat) in [
        ("immature", balance.immatureSat), ("incoming", balance.incomingSat),
      ] where amountSat > 0 {
        Output.line("\(name)   \(WalletCommand.coins(amountSat))")
      }
      Output.line("at height  \(session.height)")
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

    @Option(help: "Sat per virtual byte; what peers ask for at least when not given.")
    var feeRate: UInt64?

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
      let session = try peers.synced(place)
      let transaction = try session.send(amountSat, to: script, feeRateSatPerVb: feeRate)
      let txid = transaction.txid
      let feeSat = session.wallet.history.first { $0.txid == txid }?.feeSat ?? 0
      if place.json {
        WalletCommand.show(json: [
          "txid": txid.reversed.hex, "fee_sat": feeSat, "virtual_size": transaction.virtualSize,
        ])
      } else {
        Output.line("\(txid.reversed.hex)  fee \(feeSat) sat")
      }
    }
  }

  struct History: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the transactions that touched the wallet, the newest first.")

    @OptionGroup var place: Place
    @OptionGroup var peers: Peers

    func run() throws {
      let session = try peers.synced(place)
      let entries = session.wallet.history
      if place.json {
        let rows: [[String: Any]] = entries.map { entry in
          var row: [String: Any] = [
            "txid": entry.txid.reversed.hex, "received_sat": entry.receivedSat,
            "spent_sat": entry.spentSat,
          ]
          if let height = entry.height { row["height"] = Int(height) }
          if let feeSat = entry.feeSat { row["fee_sat"] = feeSat }
          return row
        }
        WalletCommand.show(json: ["height": Int(session.height), "transactions": rows])
        return
      }
      for entry in entries {
        let gained = entry.receivedSat >= entry.spentSat
        let change =
          gained
          ? entry.receivedSat - entry.spentSat : entry.spentSat - entry.receivedSat
        let height = entry.height.map { String($0) } ?? "unconfirmed"
        Output.line(
          "\(entry.txid.reversed.hex)  \(gained ? "+" : "-")\(WalletCommand.coins(change))  \(height)"
        )
      }
    }
  }
}
