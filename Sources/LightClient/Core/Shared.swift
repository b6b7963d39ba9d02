import Bitcoin
import Bytes

/// State that all managers share: the chain, the peers, the time and the outbox.
struct Shared {
  let network: Network
  /// Whether unconfirmed transactions of others are fetched and checked.
  let watchesMempool: Bool
  var configuration: LightClientConfiguration
  var random: SeededNumbers
  var nowMs: UInt64
  var unixSeconds: UInt64
  var outbox: Outbox
  var chain: HeaderChain
  /// In the order of their ids.
  var peers: [Peer] = []
  /// Peers that misbehaved during the current input; the address book bans them.
  var punished: [(address: PeerAddress, what: Misbehaviour)] = []

  func index(of id: PeerId) -> Int? {
    for index in peers.indices where peers[index].id == id { return index }
    return nil
  }

  func readyIndex(of id: PeerId) -> Int? {
    guard let index = index(of: id), peers[index].isReady else { return nil }
    return index
  }

  /// Whether as many headers beyond the window are kept as sync allows, because filters lag behind.
  var isChainFull: Bool { chain.count > configuration.windowHeaders + Limits.slackHeaders }

  var readyCount: Int {
    var count = 0
    for peer in peers where peer.isReady { count += 1 }
    return count
  }

  mutating func send(_ message: PeerMessage, to index: Int) {
    if !peers[index].isClosing { outbox.send(message, to: peers[index].id) }
  }

  /// Sends a request whose answer is due within a limit (``Peer/isLate(since:nowMs:)``).
  mutating func ask(_ message: PeerMessage, of index: Int) {
    if peers[index].askedMs == nil { peers[index].askedMs = nowMs }
    send(message, to: index)
  }

  mutating func disconnect(_ index: Int, _ reason: DisconnectReason) {
    if peers[index].isClosing { return }
    peers[index].isClosing = true
    outbox.push(.disconnect(peers[index].id, reason))
  }

  /// Disconnects and bans: for what no honest peer does.
  mutating func punish(_ index: Int, _ what: Misbehaviour) {
    if peers[index].isClosing { return }
    punished.append((peers[index].address, what))
    disconnect(index, .misbehaved(what))
  }

  /// Counts a minor offence: for what an honest peer may do occasionally. Offences expire at two a
  /// second, so that only a peer that continues is banned.
  mutating func note(_ index: Int, weight: UInt64 = 1) {
    let passedMs = nowMs - peers[index].offencesAtMs
    let forgotten = min(peers[index].offences, passedMs / Limits.forgetMs)
    peers[index].offences -= forgotten
    peers[index].offencesAtMs =
      peers[index].offences == 0 ? nowMs : peers[index].offencesAtMs + forgotten * Limits.forgetMs
    peers[index].offences += weight
    if peers[index].offences >= Limits.offences { punish(index, .flood) }
  }
}
