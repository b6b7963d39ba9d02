import Bitcoin
import Bytes
import Channel
import Crypto

/// The backup in a funding transaction from which the phrase alone can restore its channels: one
/// `OP_RETURN` output with 40 encrypted bytes for each channel, in the order of the channels'
/// outputs.
///
/// A channel's script has a key of the provider and a height, which the phrase cannot derive. An
/// entry is the provider's public key (33 bytes), the expiry height (u32) and the channel's index
/// (u24), both little-endian, encrypted with ChaCha20. The encryption key depends on the wallet, on
/// the output point that the first input spends, and on every other output, so that no two
/// transactions share it.
///
/// No checksum is needed: an entry is right if the script derived from it is that of an output,
/// which commits to all of it with 256 bits.
public enum ChannelBackup {
  public static let bytesPerChannel = 40

  /// The data of one channel that the phrase cannot derive.
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

  /// The key for one transaction. `outputs` are all but the backup's own, in order.
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

  /// Nil for data of another form; impossible entries are skipped. Whether the others are right is
  /// decided by comparing the scripts derived from them with the outputs.
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

  /// ChaCha20 encrypts and decrypts with the same operation. The authentication tag is dropped.
  private static func applyKeyStream(_ bytes: [UInt8], key: Bytes32) -> [UInt8] {
    Array(ChaChaPoly.seal(bytes, key: key, counter: 0, associated: []).prefix(bytes.count))
  }

  // MARK: Relay limits

  /// The largest `OP_RETURN` script that nodes of this network relay: Bitcoin Core up to version 29
  /// relays 83 bytes, and most nodes of the large networks run it; ZenCoin's own networks run
  /// version 30 or later.
  public static func relayBytes(_ network: Network) -> Int {
    let isBusy =
      network.identity == Network.bitcoin.identity || network.identity == Network.testnet4.identity
      || network.identity == Network.signet.identity
    return isBusy ? 83 : 100_000
  }

  /// How many channels one funding can have if nodes relay `relayBytes` of `OP_RETURN`: 2 for 83.
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

// MARK: Restoring channels

extension ChannelBackup {
  /// The channels that a transaction of the wallet funds: those whose entry, decrypted with the key
  /// of the first input, leads to the script of an output.
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
