import Bytes
import Crypto

/// One end of an encrypted, multiplexed connection, without I/O: bytes of the transport and the time
/// come in, ``SessionEffect``s come out.
///
/// The handshake is Noise XK over the X25519 forms of both ends' Ed25519 identities, after which
/// each end proves the identity itself by signing the handshake's hash: the conversion forgets a
/// bit, and everything above this module knows Ed25519 keys only. Then come frames (``Frame``):
/// control messages, and streams under credit.
///
/// Driving it: after *every* call, take ``nextEffect()`` until it gives nil; call ``tick(nowMs:)``
/// at ``nextDeadlineMs``. Where the transport takes no more, set ``transportIsBlocked``: then what
/// is to be sent waits here, in bounded queues, and the senders above are told to wait too. A
/// session that ended gives one `.failed` or `.closed`, then nothing.
///
/// Memory: at most one partial frame (64 KiB) and one partial control message (64 KiB) coming in;
/// `queuedBytes` a stream and `queuedControlBytes` going out. Data that came in is handed on at once;
/// what the level above has to hold is what it granted.
public struct SessionMachine {
  enum Phase: Equatable {
    case handshaking
    case proving
    case established
    case closing
    case over
  }

  /// What both ends agree on without sending it.
  public static let prologue: [UInt8] = Array("zennet/1 session".utf8)

  public let role: SessionRole
  public let limits: SessionLimits

  /// The peer's proven Ed25519 identity, once established; kept after the end.
  public internal(set) var peerIdentity: Bytes32?

  /// Set while the transport takes no more: no further `.transmit` is made until it is false again.
  public var transportIsBlocked = false

  let identity: Ed25519.KeyPair
  let expectedPeer: Bytes32?
  let handshakeDeadlineMs: UInt64

  var phase = Phase.handshaking
  var handshake: NoiseHandshake
  var sendCipher: CipherState?
  var receiveCipher: CipherState?

  var effects = Queue<SessionEffect>()
  var inbound: [UInt8] = []
  var controlParts: [UInt8] = []

  var controlQueue = Queue<[UInt8]>()
  var controlQueued = 0
  /// Control messages queued since the session began; `controlQueued` counts bytes that wait.
  var controlsQueued: UInt64 = 0
  var controlOffset = 0
  var streams: [StreamState] = []
  var nextStream: UInt32
  var highestPeerStream: UInt32 = 0
  var cursor = 0

  /// The last time that was told.
  var latestMs: UInt64
  var closingSinceMs: UInt64 = 0
  var lastReceivedMs: UInt64
  var lastPingMs: UInt64
  var pingPending = false
  var pongPending: [UInt8]?

  /// - Parameters:
  ///   - expectedPeer: the peer's Ed25519 identity. An initiator must give it; a responder may, and
  ///     then accepts nobody else.
  ///   - ephemeral: 32 secret random bytes, fresh for this connection.
  ///   - prologue: both ends must give the same.
  ///
  /// Throws `invalidPeerKey` for an expected peer that is missing or is no valid key.
  public init(
    role: SessionRole, identity: Ed25519.KeyPair, expectedPeer: Bytes32?, ephemeral: Bytes32,
    nowMs: UInt64, prologue: [UInt8] = SessionMachine.prologue,
    limits: SessionLimits = SessionLimits()
  ) throws(SessionError) {
    precondition(limits.framePayload > 0 && limits.framePayload <= Frame.maximumPayload)
    precondition(limits.credit >= 0 && limits.credit <= Int(StreamState.creditCeiling))
    self.role = role
    self.limits = limits
    self.identity = identity
    self.expectedPeer = expectedPeer
    nextStream = role == .initiator ? 1 : 2
    handshakeDeadlineMs = nowMs + limits.handshakeTimeoutMs
    latestMs = nowMs
    lastReceivedMs = nowMs
    lastPingMs = nowMs
    var peerKey: Bytes32?
    if let expectedPeer {
      do {
        peerKey = try Ed25519.agreementKey(of: expectedPeer)
      } catch {
        throw SessionError.invalidPeerKey
      }
    }
    handshake = try NoiseHandshake(
      role: role, staticSecret: identity.agreementSecret, remoteStatic: peerKey,
      ephemeralSecret: ephemeral, prologue: prologue)
    if role == .initiator { try writeHandshake() }
  }

  public var isEstablished: Bool { phase == .established }

  /// It failed or was closed; nothing more will come of it.
  public var isOver: Bool { phase == .over }

  /// Bytes held here, in either direction.
  public var bufferedBytes: Int {
    var total = inbound.count + controlParts.count + controlQueued
    for stream in streams { total += stream.queue.count }
    return total
  }

  /// Whether control messages find room: less than half of what may wait is waiting. What streams hold
  /// does not matter, as control messages go first.
  public var takesControl: Bool { controlQueued < limits.queuedControlBytes / 2 }

  /// The next thing to do or to know; nil when there is none.
  public mutating func nextEffect() -> SessionEffect? {
    if let effect = effects.popFirst() { return effect }
    if transportIsBlocked || (phase != .established && phase != .closing) { return nil }
    do {
      let output = try buildOutput()
      if !output.isEmpty { return .transmit(output) }
    } catch {
      fail(error)
    }
    return effects.popFirst()
  }

  // MARK: Time

  /// When ``tick(nowMs:)`` wants to be called; nil when the session is over.
  public var nextDeadlineMs: UInt64? {
    switch phase {
    case .over: return nil
    case .handshaking, .proving: return handshakeDeadlineMs
    case .established: return min(lastReceivedMs + limits.idleTimeoutMs, nextPingMs)
    case .closing: return closingSinceMs + limits.idleTimeoutMs
    }
  }

  private var nextPingMs: UInt64 { max(lastReceivedMs, lastPingMs) + limits.keepAliveMs }

  /// Time went by. Harmless at any time.
  public mutating func tick(nowMs: UInt64) {
    switch phase {
    case .over: return
    case .handshaking, .proving:
      if nowMs >= handshakeDeadlineMs { fail(.handshakeTimedOut) }
    case .established:
      if nowMs >= lastReceivedMs + limits.idleTimeoutMs {
        fail(.timedOut)
      } else if nowMs >= nextPingMs {
        pingPending = true
        lastPingMs = nowMs
      }
    case .closing:
      // The transport is blocked, or the peer keeps us busy: it had its time.
      if nowMs >= closingSinceMs + limits.idleTimeoutMs { fail(.timedOut) }
    }
    latestMs = max(latestMs, nowMs)
  }

  // MARK: The end

  /// Sends what can still be sent (control messages, data that has credit), then a closing frame.
  /// Before the session is established it just ends.
  public mutating func close() {
    switch phase {
    case .established:
      phase = .closing
      closingSinceMs = latestMs
    case .handshaking, .proving:
      phase = .over
      release()
      effects.append(.closed)
    case .closing, .over: return
    }
  }

  /// The transport ended. Without a closing frame before, that is the failure `truncated`.
  public mutating func transportEnded() { fail(.truncated) }

  /// Ends the session. A peer that can be told is told.
  mutating func fail(_ error: SessionError) {
    if phase == .over { return }
    let tells = phase == .established || phase == .closing
    phase = .over
    if tells, var cipher = sendCipher, SessionMachine.isPeersFault(error) {
      var output: [UInt8] = []
      let put: Void? = try? Frame.put(.close, stream: 0, into: &output, cipher: &cipher) {
        $0.append(error.closeCode)
      }
      if put != nil { effects.append(.transmit(output)) }
    }
    release()
    effects.append(.failed(error))
  }

  private static func isPeersFault(_ error: SessionError) -> Bool {
    switch error {
    case .notAuthentic, .truncated, .closedByPeer, .nonceExhausted: return false
    default: return true
    }
  }

  /// Frees the buffers; the streams' offsets stay, for resuming.
  mutating func release() {
    inbound = []
    controlParts = []
    controlQueue.removeAll()
    controlQueued = 0
    for index in streams.indices { streams[index].queue.removeAll() }
  }
}
