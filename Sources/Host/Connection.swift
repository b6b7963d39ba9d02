/// One stream of a ``Reactor``.
final class Connection {
  enum State: Equatable {
    /// A child process resolves the name; `fd` is the pipe from it.
    case resolving(child: Int32, name: String, port: UInt16)
    case connecting
    case open
    /// Buffered bytes are sent, then the writing side is shut down; received bytes are discarded.
    case finishing(shutDown: Bool)
  }

  let id: ConnectionId
  var fd: Int32
  var state: State
  var outgoing = OutgoingBuffer()
  var writeLimit: Int
  var isPaused = false
  /// ``Reactor/finish(_:)`` was called, possibly before the connection was established.
  var isFinishing = false
  /// The address that is being tried or connected.
  var remote = SocketAddress(raw: [UInt8](repeating: 0, count: 20))
  /// The peer closed while reading was paused: poll(2) would report this repeatedly.
  var isMuted = false
  /// When connecting or finishing times out.
  var deadlineMs: UInt64?
  /// Addresses still to try, the next one last.
  var candidates: [SocketAddress] = []
  /// Filter of addresses; nil: all.
  var accepts: ((SocketAddress) -> Bool)?
  /// A look-up only: the addresses are returned, and no connection is made.
  var isLookUp = false
  /// The bytes received so far from the resolving child.
  var answer: [UInt8] = []

  init(id: ConnectionId, fd: Int32, state: State, writeLimit: Int) {
    self.id = id
    self.fd = fd
    self.state = state
    self.writeLimit = writeLimit
  }
}
