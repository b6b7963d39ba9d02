import Bitcoin
import Bytes

/// Version handshake and keep-alive.
///
/// BIP31 (ping), BIP130 (sendheaders), BIP133 (feefilter), BIP155 (sendaddrv2) and BIP339
/// (wtxidrelay).
struct Handshake {
  static let pingIntervalMs: UInt64 = 120_000
  static let pongLimitMs: UInt64 = 60_000
  /// Delay after a request; the pong shows whether the peer skipped it.
  static let askedPingMs: UInt64 = 5_000

  /// The result of a handshake message.
  enum Outcome { case none, ready }

  /// The `feefilter` value where announcements are unwanted, in sat per 1000 virtual bytes: ten
  /// coins a byte. Bitcoin Core multiplies it by a transaction's size in 64 bits.
  static let noAnnouncementsSatPerKvB = 10_000 * Amount.satPerCoin

  /// The connection is established: the dialling side sends first. The version message asks for
  /// transaction relay even where announcements are unwanted: otherwise Bitcoin Core sends no
  /// transaction at all.
  func connected(_ index: Int, _ shared: inout Shared) {
    let nonce = shared.random.next()
    shared.peers[index].localNonce = nonce
    shared.send(
      .version(
        VersionMessage(
          services: 0, time: shared.unixSeconds, nonce: nonce,
          userAgent: shared.configuration.userAgent, startHeight: shared.chain.tipHeight,
          relay: true)), to: index)
  }

  func receivedVersion(_ version: VersionMessage, _ index: Int, _ shared: inout Shared) {
    if shared.peers[index].stage != .awaitingVersion {
      shared.punish(index, .protocolOrder)
      return
    }
    for peer in shared.peers where peer.localNonce == version.nonce {
      shared.disconnect(index, .selfConnection)
      return
    }
    if version.version < VersionMessage.minimumVersion
      || version.services & VersionMessage.Service.witness == 0
    {
      shared.disconnect(index, .unsuitable)
      return
    }
    shared.peers[index].services = version.services
    shared.peers[index].userAgent = version.userAgent
    shared.peers[index].startHeight = version.startHeight
    shared.peers[index].relaysTransactions = version.relay
    shared.peers[index].stage = .awaitingVerack
    shared.send(.wtxidRelay, to: index)
    shared.send(.sendAddrV2, to: index)
    shared.send(.verack, to: index)
  }

  func receivedWtxidRelay(_ index: Int, _ shared: inout Shared) {
    if shared.peers[index].stage == .ready {
      shared.punish(index, .protocolOrder)
    } else {
      shared.peers[index].usesWitnessIds = true
    }
  }

  func receivedVerack(_ index: Int, _ shared: inout Shared) -> Outcome {
    switch shared.peers[index].stage {
    case .awaitingVersion:
      shared.punish(index, .protocolOrder)
      return .none
    case .ready:
      shared.note(index)
      return .none
    case .awaitingVerack: break
    }
    shared.peers[index].stage = .ready
    shared.send(.sendHeaders, to: index)
    if !shared.watchesMempool {
      shared.send(.feeFilter(Handshake.noAnnouncementsSatPerKvB), to: index)
    }
    ping(index, &shared)
    shared.outbox.push(
      .peerReady(
        shared.peers[index].id, shared.peers[index].address,
        servesFilters: shared.peers[index].servesFilters))
    return .ready
  }

  func receivedPing(_ nonce: UInt64, _ index: Int, _ shared: inout Shared) {
    shared.send(.pong(nonce), to: index)
  }

  func receivedPong(_ nonce: UInt64, _ index: Int, _ shared: inout Shared) {
    if shared.peers[index].pingNonce != nonce { return }
    shared.peers[index].pingNonce = nil
    shared.peers[index].answeredPingSentMs = shared.peers[index].pingSentMs
    shared.peers[index].latencyMs = shared.nowMs - shared.peers[index].pingSentMs
  }

  private func ping(_ index: Int, _ shared: inout Shared) {
    let nonce = shared.random.next()
    shared.peers[index].pingNonce = nonce
    shared.peers[index].pingSentMs = shared.nowMs
    shared.peers[index].askedMs = nil
    shared.send(.ping(nonce), to: index)
  }

  private func nextPingMs(_ peer: Peer) -> UInt64 {
    let regularMs = peer.pingSentMs + Handshake.pingIntervalMs
    guard let askedMs = peer.askedMs else { return regularMs }
    return min(regularMs, askedMs + Handshake.askedPingMs)
  }

  /// Ends stalled handshakes and dead connections, and pings quiet ones.
  func pump(_ shared: inout Shared) {
    for index in shared.peers.indices where !shared.peers[index].isClosing {
      let peer = shared.peers[index]
      if peer.stage != .ready {
        if shared.nowMs >= peer.connectedMs + Limits.handshakeMs {
          shared.disconnect(index, .handshakeTimeout)
        }
      } else if peer.isLeaving && shared.nowMs >= peer.connectedMs + Limits.handshakeMs {
        shared.disconnect(index, .unsuitable)
      } else if peer.pingNonce != nil {
        if shared.nowMs >= max(peer.pingSentMs, peer.lastReceivedMs) + Handshake.pongLimitMs {
          shared.disconnect(index, .pingTimeout)
        }
      } else if shared.nowMs >= nextPingMs(peer) {
        ping(index, &shared)
      }
    }
  }

  func deadlineMs(_ shared: Shared) -> UInt64 {
    var deadline = UInt64.max
    for peer in shared.peers where !peer.isClosing {
      let next: UInt64
      if peer.stage != .ready || peer.isLeaving {
        next = peer.connectedMs + Limits.handshakeMs
      } else if peer.pingNonce != nil {
        next = max(peer.pingSentMs, peer.lastReceivedMs) + Handshake.pongLimitMs
      } else {
        next = nextPingMs(peer)
      }
      deadline = min(deadline, next)
    }
    return deadline
  }
}
