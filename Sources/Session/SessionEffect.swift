import Bytes

/// What a session asks of its driver, or tells it. Drain with ``SessionMachine/nextEffect()`` after
/// every call.
public enum SessionEffect: Equatable, Sendable {
  /// Write these bytes to the transport, in order.
  case transmit([UInt8])
  /// The handshake is done, and the peer has proved this Ed25519 identity.
  case established(peer: Bytes32)
  /// A whole control message came.
  case control([UInt8])
  /// The peer opened a stream. It may send once it is granted credit.
  case streamOpened(StreamId, StreamOpening)
  /// Bytes came on a stream, in order. Grant more when they are disposed of.
  case data(StreamId, [UInt8])
  /// The peer sends no more on this stream.
  case streamEnded(StreamId)
  /// The peer gave the stream up; it is gone at this end too.
  case streamReset(StreamId)
  /// A stream that did not take all that was sent has room again.
  case creditAvailable(StreamId)
  /// The session broke. Write what was transmitted before, drop the connection.
  case failed(SessionError)
  /// The session was closed by either end. Write what was transmitted before, drop the connection.
  case closed
}
