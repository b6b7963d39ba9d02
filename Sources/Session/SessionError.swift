/// Why a session ended, or could not begin. Every one of them is final for the connection; the level
/// above makes a new one and resumes by contract id.
public enum SessionError: Error, Equatable {
  /// The expected peer is missing (an initiator must know whom it dials) or is not a valid identity.
  case invalidPeerKey
  /// A handshake message has the wrong length, does not authenticate, or holds a useless key: another
  /// protocol, another prologue, another key, or changed bytes.
  case handshakeFailed
  /// The peer holds the connection's key, and cannot show the identity that was expected of it.
  case wrongIdentity
  /// The handshake did not finish in time.
  case handshakeTimedOut
  /// Nothing authentic came for the idle time, though it was asked for.
  case timedOut
  /// The transport ended without a closing frame.
  case truncated
  /// A frame's tag did not fit.
  case notAuthentic
  /// A frame is shorter than any frame can be.
  case badLength(Int)
  /// A frame of this type is unknown, may not come now, or has a body that does not fit its type.
  case malformedFrame(type: UInt8)
  /// The parts of a control message add up to more than is allowed.
  case controlTooLong
  /// A stream was named that its owner never opened, or opened out of order.
  case badStream(StreamId)
  /// The peer opened more streams than are allowed at a time.
  case tooManyStreams
  /// The peer sent more on this stream than it had been granted.
  case flowControl(StreamId)
  /// The peer sent on this stream after ending it.
  case dataAfterEnd(StreamId)
  /// The peer granted more than a stream may have outstanding.
  case creditOverflow(StreamId)
  /// 2^64 - 1 messages were sent with one key.
  case nonceExhausted
  /// The peer closed the session because of an error, with this code (see ``closeCode``).
  case closedByPeer(code: UInt8)

  /// What the closing frame tells the peer; 0 is an orderly close.
  public var closeCode: UInt8 {
    switch self {
    case .invalidPeerKey, .handshakeFailed, .handshakeTimedOut, .truncated, .notAuthentic,
      .nonceExhausted, .closedByPeer:
      return 1
    case .wrongIdentity: return 2
    case .timedOut: return 3
    case .badLength, .malformedFrame: return 4
    case .controlTooLong: return 5
    case .badStream, .dataAfterEnd: return 6
    case .tooManyStreams: return 7
    case .flowControl, .creditOverflow: return 8
    }
  }

  /// One line for people.
  public var message: String {
    switch self {
    case .invalidPeerKey: return "the peer's identity is not a valid key"
    case .handshakeFailed: return "the handshake failed: not the expected protocol or key"
    case .wrongIdentity: return "the peer could not prove the expected identity"
    case .handshakeTimedOut: return "the handshake took too long"
    case .timedOut: return "the peer was silent too long"
    case .truncated: return "the connection ended without a close"
    case .notAuthentic: return "a frame failed authentication"
    case .badLength(let length): return "a frame of \(length) bytes is too short"
    case .malformedFrame(let type): return "a frame of type \(type) is malformed or out of place"
    case .controlTooLong: return "a control message is too long"
    case .badStream(let stream): return "stream \(stream.raw) is not one the peer may name"
    case .tooManyStreams: return "the peer opened too many streams"
    case .flowControl(let stream): return "the peer sent beyond its credit on stream \(stream.raw)"
    case .dataAfterEnd(let stream): return "the peer sent on stream \(stream.raw) after its end"
    case .creditOverflow(let stream): return "the peer granted too much on stream \(stream.raw)"
    case .nonceExhausted: return "the session sent as many messages as one key allows"
    case .closedByPeer(let code): return "the peer closed the session with error \(code)"
    }
  }
}
