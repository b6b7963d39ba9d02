/// A stream of a ``Reactor``; ascending, and never reused by the same reactor.
public struct ConnectionId: Hashable, Comparable, Sendable {
  public let rawValue: UInt64

  public static func < (left: ConnectionId, right: ConnectionId) -> Bool {
    left.rawValue < right.rawValue
  }
}

/// A listening socket of a ``Reactor``.
public struct ListenerId: Hashable, Sendable {
  public let rawValue: UInt64
}

/// Why a connection ended.
public enum CloseReason: Equatable {
  /// The peer closed its side in an orderly way.
  case peerClosed
  case failed(HostError)
  /// The connection was not established within the time limit.
  case timedOut
  /// The peer did not read, and the bytes buffered for it exceeded the limit.
  case backlogExceeded
  /// ``Reactor/finish(_:)`` has sent all buffered bytes.
  case finished

  /// The message, one line.
  public var message: String {
    switch self {
    case .peerClosed: return "the peer closed the connection"
    case .failed(let error): return error.message
    case .timedOut: return "connection timed out"
    case .backlogExceeded: return "the peer does not read the data sent to it"
    case .finished: return "all data was sent"
    }
  }
}

/// An event of ``Reactor/poll(untilMs:)``.
public enum ReactorEvent: Equatable {
  case accepted(ListenerId, ConnectionId, remote: SocketAddress)
  case connected(ConnectionId, remote: SocketAddress)
  case received(ConnectionId, [UInt8])
  /// The last event of every connection that was not closed with ``Reactor/close(_:)``.
  case closed(ConnectionId, CloseReason)
  /// The kernel has accepted all bytes that ``Reactor/send(_:_:)`` had buffered.
  case drained(ConnectionId)
  case timerFired(UInt64)
  /// A watched descriptor can be read without blocking; also at the end of file and after an error.
  case descriptorReadable(UInt64)
  case descriptorWritable(UInt64)
  /// A signal was received, once or more often.
  case signal(Signal)

  /// The connection of this event.
  var connection: ConnectionId? {
    switch self {
    case .accepted(_, let id, _), .connected(let id, _), .received(let id, _), .closed(let id, _),
      .drained(let id):
      return id
    case .timerFired, .descriptorReadable, .descriptorWritable, .signal: return nil
    }
  }
}
