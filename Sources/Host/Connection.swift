/// One stream that a ``Reactor`` looks after.
final class Connection {
  enum State: Equatable {
    /// A child process looks the name up; `fd` is the pipe from it.
    case resolving(child: Int32, name: String, port: UInt16)
    case connecting
    case open
    /// What is buffered goes out, then the writing side closes; what comes in is thrown away.
    case finishing(shutDown: Bool)
  }

  let id: ConnectionId
  var fd: Int32
  var state: State
  var outgoing = OutgoingBuffer()
  var writeLimit: Int
  var isPaused = false
  /// ``Reactor/finish(_:)`` was called, perhaps before the connection was established.
  var isFinishing = false
  /// The address that is being connected to.
  var remote = SocketAddress(raw: [UInt8](repeating: 0, count: 20))
  /// The peer hung up while reading was paused: poll(2) would report that again and again.
  var isMuted = false
  /// When connecting or finishing is given up.
  var deadlineMs: UInt64?
  /// Addresses still to be tried, the next one last.
  var candidates: [SocketAddress] = []
  /// Which of them may be; nil: all.
  var accepts: ((SocketAddress) -> Bool)?
  /// Nobody is connected to: the addresses themselves are wanted.
  var isLookUp = false
  /// What was read of the answer of the resolving child.
  var answer: [UInt8] = []

  init(id: ConnectionId, fd: Int32, state: State, writeLimit: Int) {
    self.id = id
    self.fd = fd
    self.state = state
    self.writeLimit = writeLimit
  }
}
