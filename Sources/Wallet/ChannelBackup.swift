import Bitcoin
import Bytes
import Channel
import Crypto

/// What a funding transaction carries so that the phrase alone brings its channels back: one
/// `OP_RETURN` output with 40 encrypted bytes a channel, in the order of the channels' outputs.
///
/// A channel's script has a key of the provider and a height that no phrase can derive. Its entry is
/// the provider's public key (33 bytes), the expiry height (u32) and the channel's index (u24), both
/// little-endian, under the ChaCha20 key stream of a key that depends on the wallet, on the output
/// point that the first input spends, and on every other output: no two transactions share it.
///
/// No checksum is needed: an entry is right when the script that follows from it is that of an
/// output, which commits to all of it with 256 bits.
public enum ChannelBackup {
  public static let bytesPerChannel = 40

  /// What the phrase cannot derive of one channel.
  public struct Entry: Equatable, Sendable {
    /// Compressed public key, 33 bytes.
    public var providerKey: [UInt8]
    public var expiryHeight: UInt32
    /// At most ``WalletKeys/maxChannelIndex``.
    public var channelIndex: UInt32

    public init(providerKey: [UInt8], expiryHeight: UInt32, channelIndex: UInt32) {
      self.providerKey = providerKey
      self.expiryHeight = expiryHeight
      self.channelIndex = channelIndex
    }
  }

  /// The key for one transaction. `outputs` are all but the backup's own, in their order.
  static func key(
    secret: Bytes32, firstInput: OutPoint, outputs: [TransactionOutput]
  ) -> Bytes32 {
    var writer = ByteWriter(reserving: 36 + outputs.count * 43)
    firstInput.encode(to: &writer)
    for output in outputs { output.encode(to: &writer) }
    return Hmac.sha256(key: secret.array, writer.bytes)
  }

  /// The output's data: ``bytesPerChannel`` for each entry.
  static func encode(_ entries: [Entry], key: Bytes32) -> [UInt8] {
    var writer = ByteWriter(reserving: entries.count * bytesPerChannel)
    for entry in entries {
      writer.append(entry.providerKey)
      writer.u32le(entry.expiryHeight)
      writer.u16le(UInt16(truncatingIfNeeded: entry.channelIndex))
      writer.u8(UInt8(truncatingIfNeeded: entry.channelIndex >> 16))
    }
    return applyKeyStream(writer.bytes, key: key)
  }

  /// Nil for data of another form; entries that can be of no channel are passed over. Whether the
  /// others are right shows in the scripts that follow from them.
  static func decode(_ data: [UInt8], key: Bytes32) -> [Entry]? {
    if data.isEmpty || data.count % bytesPerChannel != 0 { return nil }
    var reader = ByteReader(applyKeyStream(data, key: key))
    var entries: [Entry] = []
    while !reader.isAtEnd {
      guard let providerKey = try? reader.take(33), let expiryHeight = try? reader.u32le(),
        let low = try? reader.u16le(), let high = try? reader.u8()
      else { return nil }
      if expiryHeight == 0 || expiryHeight >= ChannelTerms.heightLimit { continue }
      if providerKey[0] != 2 && providerKey[0] != 3 { continue }
      entries.append(
        Entry(
          providerKey: providerKey, expiryHeight: expiryHeight,
          channelIndex: UInt32(low) | UInt32(high) << 16))
    }
    return entries
  }

  /// ChaCha20 takes the key stream off as it puts it on. What authenticates is not wanted here.
  private static func applyKeyStream(_ bytes: [UInt8], key: Bytes32) -> [UInt8] {
    Array(ChaChaPoly.seal(bytes, key: key, counter: 0, associated: []).prefix(bytes.count))
  }

  // MARK: What is relayed

  /// The most bytes of `OP_RETURN` scripts that nodes of this network can be counted on to relay:
  /// Bitcoin Core up to version 29 relays 83, and the large networks are full of it; ZenCoin's own
  /// networks run 30 or later.
  public static func relayBytes(_ network: Network) -> Int {
    let isBusy =
      network.identity == Network.bitcoin.identity || network.identity == Network.testnet4.identity
      || network.identity == Network.signet.identity
    return isBusy ? 83 : 100_000
  }

  /// How many channels one funding can have where nodes relay `relayBytes` of `OP_RETURN`: 2 for 83.
  public static func maxChannels(relayBytes: Int) -> Int {
    var count = max(0, relayBytes) / bytesPerChannel
    while count > 0 && scriptBytes(channels: count) > relayBytes { count -= 1 }
    return count
  }

  static func scriptBytes(channels: Int) -> Int {
    let data = channels * bytesPerChannel
    let prefix = data < 76 ? 1 : data <= 0xff ? 2 : data <= 0xffff ? 3 : 5
    return 1 + prefix + data
  }
}

// MARK: Finding channels again

extension ChannelBackup {
  /// The channels that a transaction of the wallet funds, which its first input shows to be one:
  /// those whose entry leads to the script of an output.
  static func channels(
    in transaction: Transaction, txid: Bytes32, keys: WalletKeys
  ) throws(WalletError) -> [LockedChannel] {
    guard let first = transaction.inputs.first else { return [] }
    var found: [LockedChannel] = []
    for (place, output) in transaction.outputs.enumerated() {
      guard let data = Script.opReturnData(output.scriptPubKey) else { continue }
      if data.isEmpty || data.count % bytesPerChannel != 0 { continue }
      var others = transaction.outputs
      others.remove(at: place)
      let key = key(secret: keys.backupSecret, firstInput: first.previous, outputs: others)
      for entry in decode(data, key: key) ?? [] {
        let lock = ChannelLock(
          providerKey: entry.providerKey,
          publisherKey: try keys.derivedKey(.channel, index: entry.channelIndex),
          expiryHeight: entry.expiryHeight)
        let script = lock.scriptPubKey
        let index = transaction.outputs.indices.first { index in
          transaction.outputs[index].scriptPubKey == script
            && !found.contains { $0.outPoint.index == UInt32(index) }
        }
        guard let index else { continue }
        found.append(
          LockedChannel(
            outPoint: OutPoint(txid: txid, index: UInt32(index)),
            capacitySat: transaction.outputs[index].amountSat, channelIndex: entry.channelIndex,
            lock: lock))
      }
    }
    return found
  }
}
