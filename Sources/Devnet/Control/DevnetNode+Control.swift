import Bitcoin
import Bytes
import Foundation
import Host

/// The control socket: one request per line, one answer per line. Only the owner of the data folder
/// can open it.
extension DevnetNode {
  private static let maxLineBytes = 9_000_000

  func receiveControl(_ id: ConnectionId, _ bytes: [UInt8]) {
    guard var buffer = controls[id] else { return }
    buffer += bytes
    while let end = buffer.firstIndex(of: 0x0a) {
      let line = Array(buffer[0..<end])
      buffer.removeFirst(end + 1)
      reactor.send(id, respond(to: line))
    }
    controls[id] = buffer
    if buffer.count > DevnetNode.maxLineBytes {
      controls[id] = nil
      reactor.close(id)
    }
  }

  private func respond(to line: [UInt8]) -> [UInt8] {
    var response = ControlResponse()
    if let request = try? JSONDecoder().decode(ControlRequest.self, from: Data(line)) {
      do throws(DevnetError) {
        response = try answer(request)
      } catch {
        response.error = error.message
      }
    } else {
      response.error = "not a request"
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return Array((try? encoder.encode(response)) ?? Data("{}".utf8)) + [0x0a]
  }

  /// Carries out a request.
  public func answer(_ request: ControlRequest) throws(DevnetError) -> ControlResponse {
    var response = ControlResponse()
    switch request.command {
    case .tip: break
    case .mine:
      var payout: [UInt8]?
      if let address = request.address { payout = try DevnetNode.script(ofAddress: address) }
      let hashes = try mine(
        request.count ?? 1, payout: payout,
        minimumFeeSatPerKvB: request.minimumFeeSatPerKvB ?? 0)
      response.hashes = hashes.map(\.reversed.hex)
    case .faucet:
      guard let address = request.address, let amountSat = request.amountSat else {
        throw DevnetError.badArgument("the faucet needs an address and an amount")
      }
      response.txid = try give(amountSat, toAddress: address).reversed.hex
    case .transaction: response.transaction = try describeTransaction(request.txid)
    case .send: response.txid = try submit(hex: request.hex).reversed.hex
    case .block: response.block = try describeBlock(request.block)
    case .reorg:
      guard let depth = request.depth else { throw DevnetError.badArgument("no depth given") }
      try reorganize(depth: depth)
    case .mempool: response.txids = mempool.sorted.map(\.txid.reversed.hex)
    case .stop: stop()
    }
    response.height = chain.height
    response.hash = chain.tipHash.reversed.hex
    response.peers = sessions.count
    return response
  }

  private func submit(hex: String?) throws(DevnetError) -> Bytes32 {
    guard let bytes = hex.flatMap(Hex.decode) else {
      throw DevnetError.badArgument("not hexadecimal")
    }
    let transaction: Transaction
    do throws(BitcoinError) {
      transaction = try Transaction.decode(bytes)
    } catch {
      throw DevnetError.transactionRejected(.malformed(error.message))
    }
    do throws(TransactionRejection) {
      return try submit(transaction)
    } catch {
      throw DevnetError.transactionRejected(error)
    }
  }

  // MARK: Views

  private func describeTransaction(_ text: String?) throws(DevnetError) -> TransactionView {
    guard let txid = text.flatMap({ Bytes32(hex: $0) })?.reversed else {
      throw DevnetError.badArgument("a transaction id has 64 hexadecimal digits")
    }
    guard let (transaction, height) = transaction(txid) else {
      throw DevnetError.badArgument("unknown transaction \(txid.reversed.hex)")
    }
    return TransactionView(
      txid: txid.reversed.hex, wtxid: transaction.wtxid.reversed.hex,
      hex: Hex.encode(transaction.bytes()), virtualSize: transaction.virtualSize,
      lockTime: transaction.lockTime, height: height,
      blockHash: height.flatMap { chain.hash(at: $0) }?.reversed.hex,
      confirmations: height.map { chain.height - $0 + 1 },
      feeSat: mempool.entry(txid: txid)?.feeSat,
      inputs: transaction.inputs.map { input in
        TransactionView.Input(
          txid: input.previous.txid.reversed.hex, index: input.previous.index,
          sequence: input.sequence, witness: input.witness.map(Hex.encode))
      },
      outputs: transaction.outputs.map { output in
        TransactionView.Output(
          amountSat: output.amountSat, scriptPubKey: Hex.encode(output.scriptPubKey),
          address: Address.text(scriptPubKey: output.scriptPubKey, network: .regtest))
      })
  }

  private func describeBlock(_ text: String?) throws(DevnetError) -> BlockView {
    var hash: Bytes32?
    if let text {
      hash = Bytes32(hex: text)?.reversed ?? UInt32(text).flatMap { chain.hash(at: $0) }
    }
    guard let hash, let entry = chain.kernel.entry(hash: hash), let block = chain.block(hash: hash)
    else { throw DevnetError.badArgument("unknown block \(text ?? "")") }
    return BlockView(
      hash: hash.reversed.hex, height: entry.height, time: entry.time,
      previous: entry.previousHash.reversed.hex,
      isOnBestChain: chain.hash(at: entry.height) == hash,
      txids: block.transactions.map(\.txid.reversed.hex))
  }
}
