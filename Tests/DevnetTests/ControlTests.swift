import Bitcoin
import Bytes
import Foundation
import Testing

@testable import Devnet

/// The control socket, as `zennet devnet …` uses it.
@Suite struct ControlTests {
  private let folder: ScratchFolder
  private let devnet: RunningDevnet
  private let address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

  init() throws {
    folder = try ScratchFolder()
    devnet = try RunningDevnet(DevnetOptions(directory: folder.path))
  }

  private func ask(
    _ command: ControlRequest.Command, _ fill: (inout ControlRequest) -> Void = { _ in }
  ) throws -> ControlResponse {
    var request = ControlRequest(command)
    fill(&request)
    return try ControlClient.ask(request, directory: folder.path)
  }

  private func refusal(
    _ command: ControlRequest.Command, _ fill: (inout ControlRequest) -> Void = { _ in }
  ) -> String? {
    do {
      _ = try ask(command, fill)
      return nil
    } catch {
      return (error as? DevnetError)?.message
    }
  }

  @Test func doesWhatIsAsked() throws {
    #expect(try ask(.tip).height == 101)
    let txid = try #require(
      try ask(.faucet) {
        $0.address = address
        $0.amountSat = 77_777
      }.txid)
    #expect(try ask(.mempool).txids == [txid])
    var view = try #require(try ask(.transaction) { $0.txid = txid }.transaction)
    #expect(view.height == nil)
    #expect(view.feeSat.map { $0 >= UInt64(view.virtualSize) } == true)
    #expect(view.outputs[0].amountSat == 77_777)
    #expect(view.outputs[0].address == address)
    let mined = try ask(.mine) {
      $0.count = 3
      $0.address = address
    }
    #expect(mined.height == 104)
    #expect(mined.hashes?.count == 3)
    #expect(mined.hashes?.last == mined.hash)
    view = try #require(try ask(.transaction) { $0.txid = txid }.transaction)
    #expect(view.height == 102)
    #expect(view.confirmations == 3)
    #expect(view.blockHash == mined.hashes?.first)
    let block = try #require(try ask(.block) { $0.block = "102" }.block)
    #expect(block.txids.count == 2)
    #expect(block.txids[1] == txid)
    #expect(block.isOnBestChain)
    let coinbase = try #require(try ask(.transaction) { $0.txid = block.txids[0] }.transaction)
    #expect(coinbase.outputs[0].address == address)
    let after = try ask(.reorg) { $0.depth = 3 }
    #expect(after.height == 105)
    let old = try #require(try ask(.block) { $0.block = block.hash }.block)
    #expect(!old.isOnBestChain)
    #expect(try ask(.mempool).txids == [txid])
    _ = try ask(.stop)
    try devnet.stop()
    #expect(refusal(.tip)?.contains("zennet devnet run") == true)
  }

  @Test func saysWhyNot() throws {
    #expect(refusal(.faucet)?.contains("address") == true)
    #expect(
      refusal(.faucet) {
        $0.address = "bcrt1qqq"
        $0.amountSat = 1000
      }?.contains("bcrt1qqq") == true)
    #expect(
      refusal(.faucet) {
        $0.address = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
        $0.amountSat = 1000
      }?.contains("another network") == true)
    #expect(
      refusal(.faucet) {
        $0.address = address
        $0.amountSat = 101 * Amount.satPerCoin
      }?.contains("faucet has") == true)
    #expect(
      refusal(.faucet) {
        $0.address = address
        $0.amountSat = 10
      }?.contains("dust") == true)
    #expect(refusal(.transaction) { $0.txid = "12" }?.contains("64") == true)
    #expect(refusal(.block) { $0.block = "5000" }?.contains("unknown block") == true)
    #expect(refusal(.reorg) { $0.depth = 102 }?.contains("depth") == true)
    #expect(refusal(.reorg) { $0.depth = 0 }?.contains("depth") == true)
    #expect(refusal(.send) { $0.hex = "zz" }?.contains("hexadecimal") == true)
    #expect(refusal(.send) { $0.hex = "0102" }?.contains("decode") == true)
    try devnet.stop()
  }

  @Test func oneNodeAFolder() throws {
    #expect(throws: DevnetError.self) { try RunningDevnet(DevnetOptions(directory: folder.path)) }
    try devnet.stop()
    let again = try RunningDevnet(DevnetOptions(directory: folder.path))
    #expect(try again.height == 101)
    try again.stop()
    #expect(throws: DevnetError.self) { try again.mine(1) }
  }

  @Test func makesBlocksOnATimer() throws {
    try devnet.stop()
    var options = DevnetOptions(directory: folder.path)
    options.blockIntervalSeconds = 1
    let timed = try RunningDevnet(options)
    while try timed.height < 102 { Thread.sleep(forTimeInterval: 0.05) }
    try timed.stop()
  }
}
