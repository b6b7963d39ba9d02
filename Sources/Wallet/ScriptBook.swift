import Bytes

/// A script to be watched from now on.
public struct NewScript: Equatable, Sendable {
  public enum Kind: Equatable, Sendable {
    /// Of a new address.
    case address
    /// Of a channel found in a block: its close may be in the same block.
    case channel
  }

  public var script: [UInt8]
  public var kind: Kind
}

/// The output scripts of the wallet's own keys, and the key of each.
struct ScriptBook: Sendable {
  /// Unused addresses and channel indices that are watched beyond the last used one.
  static let gapLimit: UInt32 = 20
  /// Scripts are derived in batches of this size beyond the gap, because each batch may cause a
  /// second scan of some blocks.
  private static let batch: UInt32 = 20

  /// A chain of addresses: consecutive indices from 0.
  struct Chain: Equatable, Sendable {
    /// The first index without a payment on the chain, and the first that was never handed out.
    var firstUnused: UInt32 = 0
    var firstFresh: UInt32 = 0
    fileprivate(set) var scripts: [[UInt8]] = []
  }

  private let keys: WalletKeys
  private(set) var receive = Chain()
  private(set) var change = Chain()
  /// The first channel index that was never handed out.
  private(set) var nextChannel: UInt32 = 0
  /// The return scripts of the channels that are still relevant, by channel index.
  private var returns: [UInt32: [UInt8]] = [:]
  private var returnsEnd: UInt32 = 0
  private var paths: [[UInt8]: KeyPath] = [:]

  init(keys: WalletKeys) { self.keys = keys }

  /// Call ``extend()`` before anything else.
  init(keys: WalletKeys, receive: Chain, change: Chain, nextChannel: UInt32) {
    self.keys = keys
    self.receive = receive
    self.change = change
    self.nextChannel = nextChannel
    // The channels handed out last may still be funded; older ones that are still relevant are
    // added with `addReturn`.
    returnsEnd = nextChannel > ScriptBook.gapLimit ? nextChannel - ScriptBook.gapLimit : 0
  }

  // MARK: Deriving

  /// Derives scripts up to the gap limit; returns the new ones.
  mutating func extend() throws(WalletError) -> [NewScript] {
    var added: [NewScript] = []
    try ScriptBook.extend(&receive, .receive, keys, &paths, &added)
    try ScriptBook.extend(&change, .change, keys, &paths, &added)
    if returnsEnd < nextChannel + ScriptBook.gapLimit {
      while returnsEnd < nextChannel + ScriptBook.gapLimit + ScriptBook.batch {
        if let script = try addReturn(returnsEnd) {
          added.append(NewScript(script: script, kind: .channel))
        }
        returnsEnd += 1
      }
    }
    return added
  }

  private static func extend(
    _ chain: inout Chain, _ kind: KeyPath.Chain, _ keys: WalletKeys,
    _ paths: inout [[UInt8]: KeyPath], _ added: inout [NewScript]
  ) throws(WalletError) {
    let needed = max(chain.firstUnused, chain.firstFresh) + ScriptBook.gapLimit
    if chain.scripts.count >= Int(needed) { return }
    while chain.scripts.count < Int(needed + ScriptBook.batch) {
      let path = KeyPath(kind, UInt32(chain.scripts.count))
      let script = try keys.script(path)
      paths[script] = path
      chain.scripts.append(script)
      added.append(NewScript(script: script, kind: .address))
    }
  }

  /// Derives the return script of this channel's close; nil if it is derived already.
  mutating func addReturn(_ index: UInt32) throws(WalletError) -> [UInt8]? {
    if returns[index] != nil || index > WalletKeys.maxChannelIndex { return nil }
    let path = KeyPath(.closeReturn, index)
    let script = try keys.script(path)
    returns[index] = script
    paths[script] = path
    return script
  }

  // MARK: Queries

  /// Every script to watch, in a fixed order.
  var all: [[UInt8]] {
    receive.scripts + change.scripts + returns.sorted { $0.key < $1.key }.map(\.value)
  }

  func path(of script: [UInt8]) -> KeyPath? { paths[script] }

  /// Nil for the return of a channel that is no longer relevant.
  func script(_ path: KeyPath) -> [UInt8]? {
    switch path.chain {
    case .receive: return ScriptBook.script(receive, path.index)
    case .change: return ScriptBook.script(change, path.index)
    case .closeReturn: return returns[path.index]
    }
  }

  private static func script(_ chain: Chain, _ index: UInt32) -> [UInt8]? {
    Int(index) < chain.scripts.count ? chain.scripts[Int(index)] : nil
  }

  // MARK: Usage

  /// The chain has a payment to this key.
  mutating func markUsed(_ path: KeyPath) {
    switch path.chain {
    case .receive: ScriptBook.markUsed(&receive, path.index)
    case .change: ScriptBook.markUsed(&change, path.index)
    case .closeReturn: channelUsed(path.index)
    }
  }

  private static func markUsed(_ chain: inout Chain, _ index: UInt32) {
    chain.firstUnused = max(chain.firstUnused, index + 1)
    chain.firstFresh = max(chain.firstFresh, index + 1)
  }

  mutating func channelUsed(_ index: UInt32) { nextChannel = max(nextChannel, index + 1) }

  /// A channel index that was never handed out; call ``extend()`` afterwards.
  mutating func takeChannel() throws(WalletError) -> UInt32 {
    if nextChannel > WalletKeys.maxChannelIndex { throw .channelsUsedUp }
    nextChannel += 1
    return nextChannel - 1
  }

  /// An index that was not handed out before; call ``extend()`` afterwards. After ``gapLimit`` of
  /// them without a payment the first unused one is reused, because a restored wallet would not
  /// scan further.
  mutating func takeFresh(_ kind: KeyPath.Chain) -> KeyPath {
    KeyPath(
      kind,
      kind == .receive ? ScriptBook.takeFresh(&receive) : ScriptBook.takeFresh(&change))
  }

  private static func takeFresh(_ chain: inout Chain) -> UInt32 {
    if chain.firstFresh >= chain.firstUnused + gapLimit { return chain.firstUnused }
    chain.firstFresh += 1
    return chain.firstFresh - 1
  }
}
