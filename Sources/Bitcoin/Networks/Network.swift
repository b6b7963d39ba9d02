import Bytes
import Crypto

/// A network of the Bitcoin protocol: its identity, and the rules of its headers.
public struct Network: Equatable, Sendable {
  /// Which header rules apply.
  public enum Rules: Equatable, Sendable { case regtest, signet, testnet4, bitcoin }

  /// A trusted block: headers before it are not checked.
  public struct Checkpoint: Equatable, Sendable {
    /// Must be a multiple of ``HeaderRules/retargetInterval``, or the retarget rule cannot be
    /// checked.
    public var height: UInt32
    public var header: BlockHeader
    /// The work of the whole chain up to and including this block.
    public var work: ChainWork
    /// The BIP157 filter header of this block, wire byte order; nil if unknown.
    public var filterHeader: Bytes32?

    public init(height: UInt32, header: BlockHeader, work: ChainWork, filterHeader: Bytes32?) {
      self.height = height
      self.header = header
      self.work = work
      self.filterHeader = filterHeader
    }
  }

  /// A known block hash at a height (Bitcoin Core's former checkpoints).
  public struct Pin: Equatable, Sendable {
    public var height: UInt32
    public var hash: Bytes32

    public init(height: UInt32, hash: Bytes32) {
      self.height = height
      self.hash = hash
    }
  }

  /// ASCII.
  public var name: [UInt8]
  /// Four bytes in wire order.
  public var magic: [UInt8]
  public var genesis: BlockHeader
  /// The easiest target allowed, in compact form.
  public var powLimitBits: UInt32
  public var defaultPort: UInt16
  /// The human-readable part of addresses, ASCII.
  public var bech32Hrp: [UInt8]
  public var rules: Rules
  /// BIP325: the script that every block's solution must satisfy. Nil for networks without signers.
  public var signetChallenge: [UInt8]?
  /// Where header sync starts; the genesis block unless the owner's network file says otherwise.
  public var checkpoint: Checkpoint?
  /// A chain with less work is not the network's (Bitcoin Core's `nMinimumChainWork`).
  public var minimumChainWork: ChainWork
  /// Known blocks of the network: at their heights other blocks are refused.
  public var pins: [Pin] = []
  /// Blocks between two changes of difficulty; a period's intended duration scales with it. Real
  /// networks use ``HeaderRules/retargetInterval``; other values are for models.
  public var retargetInterval: UInt32 = HeaderRules.retargetInterval
  /// DNS seeds; those that can filter by service are queried for nodes with filters.
  public var seeds: [[UInt8]] = []

  /// The block subsidy, in sat.
  public func subsidySat(atHeight height: UInt32) -> UInt64 {
    let halvings = height / (rules == .regtest ? 150 : 210_000)
    return halvings >= 64 ? 0 : 50 * Amount.satPerCoin >> UInt64(halvings)
  }

  /// Identifies the network in signed documents. The genesis block's hash; for signets, which share
  /// one, a tagged hash of it and the challenge. Wire byte order.
  public var identity: Bytes32 {
    guard let challenge = signetChallenge else { return genesis.hash }
    return Sha256.tagged("zennet/network", genesis.hash.array + challenge)
  }

  public var nameText: String { String(decoding: name, as: UTF8.self) }

  /// The heights at which BIP34, BIP66 and BIP65 raised the minimum version.
  func minimumVersion(atHeight height: UInt32) -> Int32 {
    if rules != .bitcoin { return 4 }
    if height >= 388_381 { return 4 }
    if height >= 363_725 { return 3 }
    return height >= 227_931 ? 2 : 1
  }

  public static func == (left: Network, right: Network) -> Bool {
    left.name == right.name && left.magic == right.magic && left.genesis == right.genesis
      && left.powLimitBits == right.powLimitBits && left.defaultPort == right.defaultPort
      && left.bech32Hrp == right.bech32Hrp && left.rules == right.rules
      && left.signetChallenge == right.signetChallenge && left.checkpoint == right.checkpoint
      && left.minimumChainWork == right.minimumChainWork && left.pins == right.pins
      && left.seeds == right.seeds && left.retargetInterval == right.retargetInterval
  }
}
