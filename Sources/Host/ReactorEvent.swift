/// A stream of a ``Reactor``; never used twice in the life of the reactor. Later ones are greater.
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

/// Why a connection is no more.
public enum CloseReason: Equatable {
  /// The peer closed its side in order.
  case peerClosed
  case failed(HostError)
  /// The connection was not established in time.
  case timedOut
  /// The peer did not read, and what waited for it passed the limit.
  case backlogExceeded
  /// ``Reactor/finish(_:)`` has sent everything that was buffered.
  case finished

  /// One line for people.
  public var message: String {
    switch self {
    case .peerClosed: return "the peer closed the connection"
    case .failed(let error): return error.message
    case .timedOut: return "no connection in time"
    case .backlogExceeded: return "the peer does not read what is sent to it"
    case .finished: return "all was sent"
    }
  }
}

/// What happened, as ``Reactor/poll(untilMs:)`` tells it.
public enum ReactorEvent: Equatable {
  case accepted(ListenerId, ConnectionId, remote: SocketAddress)
  case connected(ConnectionId, remote: SocketAddress)
  case received(ConnectionId, [UInt8])
  /// Told once for every connection that was not closed with ``Reactor/close(_:)``, and last.
  case closed(ConnectionId, CloseReason)
  /// All that ``Reactor/send(_:_:)`` had to buffer is with the kernel now.
  case drained(ConnectionId)
  case timerFired(UInt64)
  /// A watched descriptor can be read without blocking; at the end and after an error too.
  case descriptorReadable(UInt64)
  case descriptorWritable(UInt64)
  /// A signal came, once or more often.
  case signal(Signal)

  /// The connection that this is about.
  var connection: ConnectionId? {
    switch self {
    case .accepted(_, let id, _), .connected(let id, _), .received(let id, _), .closed(let id, _),
      .drained(let id):
      return id
    case .timerFired, .descriptorReadable, .descriptorWritable, .signal: return nil
    }
  }
}
