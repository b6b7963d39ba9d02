import Bitcoin
import Bytes
import Crypto

/// The node's own coins: the default payout of blocks, and the source of the faucet's payments. The
/// key is public and the same in every development chain.
struct Faucet {
  private let secret: Bytes32
  /// `<key> OP_CHECKSIG`.
  private let witnessScript: [UInt8]
  /// P2WSH of ``witnessScript``.
  let scriptPubKey: [UInt8]

  /// Smaller change is added to the fee.
  private static let leastChangeSat: UInt64 = 1000
  /// Most inputs of one payment.
  private static let maxInputs = 500

  init() throws(DevnetError) {
    secret = Sha256.hash(Array("zennet devnet faucet".utf8))
    do {
      witnessScript =
        Script.push(try Secp256k1.publicKey(of: secret)) + [Script.OpCode.checkSig]
    } catch {
      throw DevnetError.badArgument(error.message)
    }
    scriptPubKey = Script.p2wsh(witnessScript: witnessScript)
  }

  /// Spendable coins: mature, and not spent in the mempool. Includes unconfirmed change. The order
  /// depends only on the coins.
  func spendable(chain: Chain, mempool: Mempool) -> [(point: OutPoint, amountSat: UInt64)] {
    let nextHeight = chain.height + 1
    var found: [(point: OutPoint, amountSat: UInt64)] = []
    for (point, coin) in chain.coins
    where coin.output.scriptPubKey == scriptPubKey && coin.isMature(at: nextHeight)
      && !mempool.isSpent(point)
    {
      found.append((point, coin.output.amountSat))
    }
    for entry in mempool.sorted {
      for (index, output) in entry.transaction.outputs.enumerated()
      where output.scriptPubKey == scriptPubKey {
        let point = OutPoint(txid: entry.txid, index: UInt32(index))
        if !mempool.isSpent(point) { found.append((point, output.amountSat)) }
      }
    }
    return found.sorted { left, right in
      if left.amountSat != right.amountSat { return left.amountSat > right.amountSat }
      if left.point.txid != right.point.txid { return left.point.txid < right.point.txid }
      return left.point.index < right.point.index
    }
  }

  /// A signed transaction that pays `amountSat` to `receiver` and returns the change.
  func gift(
    of amountSat: UInt64, to receiver: [UInt8], feeSatPerKvB: UInt64, chain: Chain,
    mempool: Mempool
  ) throws(DevnetError) -> Transaction {
    if amountSat == 0 || amountSat > Amount.maxSat {
      throw DevnetError.badArgument("the faucet cannot pay \(amountSat) sat")
    }
    let coins = spendable(chain: chain, mempool: mempool)
    let haveSat = coins.reduce(UInt64(0)) { $0 + $1.amountSat }
    var chosen: [(point: OutPoint, amountSat: UInt64)] = []
    var givenSat: UInt64 = 0
    for coin in coins.prefix(Faucet.maxInputs) {
      chosen.append(coin)
      givenSat += coin.amountSat
      let feeSat = fee(inputs: chosen.count, receiver: receiver, feeSatPerKvB: feeSatPerKvB)
      guard givenSat >= amountSat + feeSat else { continue }
      var outputs = [TransactionOutput(amountSat: amountSat, scriptPubKey: receiver)]
      let changeSat = givenSat - amountSat - feeSat
      if changeSat >= Faucet.leastChangeSat {
        outputs.append(TransactionOutput(amountSat: changeSat, scriptPubKey: scriptPubKey))
      }
      return try sign(chosen, outputs: outputs)
    }
    throw DevnetError.faucetEmpty(wantedSat: amountSat, haveSat: haveSat)
  }

  /// An input has 41 bytes and a witness of 110 quarter bytes; two outputs are assumed.
  private func fee(inputs: Int, receiver: [UInt8], feeSatPerKvB: UInt64) -> UInt64 {
    let size = 11 + inputs * 69 + (9 + receiver.count) + 43
    return RelayPolicy.feeSat(virtualSize: size, satPerKvB: feeSatPerKvB)
  }

  private func sign(
    _ coins: [(point: OutPoint, amountSat: UInt64)], outputs: [TransactionOutput]
  ) throws(DevnetError) -> Transaction {
    var transaction = Transaction(
      inputs: coins.map { TransactionInput(previous: $0.point) }, outputs: outputs)
    for (index, coin) in coins.enumerated() {
      let digest = Sighash.segwitV0(
        transaction, inputIndex: index, scriptCode: witnessScript, amountSat: coin.amountSat)
      do {
        let signature = try Secp256k1.signEcdsa(digest: digest, secret: secret)
        transaction.inputs[index].witness = [
          signature + [Sighash.HashType.all], witnessScript,
        ]
      } catch {
        throw DevnetError.badArgument(error.message)
      }
    }
    return transaction
  }
}
