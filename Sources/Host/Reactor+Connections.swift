import CHost

/// Opens, uses and closes connections.
extension Reactor {
  // MARK: Listening

  /// Listens on a numeric address (port 0: any free one, see ``address(of:)``) or a Unix path,
  /// whose socket file only this user may use. A stale socket file of a dead process is replaced.
  public func listen(on endpoint: Endpoint) throws(HostError) -> ListenerId {
    let fd: Int32
    var socketPath: String?
    switch endpoint {
    case .tcp(let host, let port):
      guard let address = SocketAddress(host: host, port: port) else {
        throw .badAddress(text: endpoint.description)
      }
      fd = host_tcp_listen(address.bytes, 128)
    case .unix(let path):
      guard let name = path.terminated else { throw .badAddress(text: path) }
      fd = host_unix_listen(name, 0o600, 128)
      socketPath = path
    }
    try HostError.check(fd, "listen", endpoint.description)
    let id = ListenerId(rawValue: nextId())
    listeners.append(Listener(id: id, fd: fd, path: socketPath))
    return id
  }

  /// The actual address of a listener; nil if it is closed.
  public func address(of id: ListenerId) -> SocketAddress? {
    guard let listener = listeners.first(where: { $0.id == id }) else { return nil }
    var bytes = [UInt8](repeating: 0, count: HOST_ADDRESS_BYTES)
    return host_local_address(listener.fd, &bytes) < 0 ? nil : SocketAddress(raw: bytes)
  }

  public func close(_ id: ListenerId) {
    guard let index = listeners.firstIndex(where: { $0.id == id }) else { return }
    Reactor.discard(listeners[index])
    listeners.remove(at: index)
  }

  static func discard(_ listener: Listener) {
    _ = host_close(listener.fd)
    if let path = listener.path?.terminated { _ = host_unlink(path) }
  }

  func accept(on id: ListenerId, nowMs: UInt64) {
    guard let index = listeners.firstIndex(where: { $0.id == id }) else { return }
    var remote = [UInt8](repeating: 0, count: HOST_ADDRESS_BYTES)
    for _ in 0..<16 {
      let fd = host_accept(listeners[index].fd, &remote)
      if fd == -Int32(HOST_EAGAIN) { return }
      if fd < 0 {
        // Out of descriptors or memory: the listener stays readable, so pause it for a moment.
        listeners[index].pausedUntilMs = nowMs + 100
        return
      }
      if connections.count >= limits.connections {
        _ = host_abort_on_close(fd)
        _ = host_close(fd)
        continue
      }
      let connection = add(fd: fd, state: .open)
      queue.append(.accepted(id, connection.id, remote: SocketAddress(raw: remote)))
    }
  }

  // MARK: Connecting

  /// Connects to an endpoint; a host name is resolved without blocking, and its addresses are tried
  /// in turn. The outcome is ``ReactorEvent/connected(_:remote:)`` or
  /// ``ReactorEvent/closed(_:_:)``. Bytes sent before that are buffered.
  ///
  /// - Parameter accepts: filter of addresses, also for those of a name; nil: all.
  public func connect(
    to endpoint: Endpoint, accepts: ((SocketAddress) -> Bool)? = nil
  ) -> ConnectionId {
    let connection = add(fd: -1, state: .connecting)
    connection.accepts = accepts
    let nowMs = Clock.monotonicMs()
    connection.deadlineMs = nowMs + limits.connectMs
    switch endpoint {
    case .unix(let path): connectLocally(connection, path)
    case .tcp(let host, let port):
      if let address = SocketAddress(host: host, port: port) {
        connection.candidates = [address]
        tryNext(connection, nowMs: nowMs, failure: .unknownHost(name: host))
      } else {
        resolve(connection, host, port)
      }
    }
    return connection.id
  }

  /// Resolves a name without connecting. The addresses come as ``ReactorEvent/received(_:_:)``, to
  /// be decoded with ``addresses(in:)``, unless there are none; then the connection is closed.
  public func lookUp(_ name: String, port: UInt16) -> ConnectionId {
    let connection = add(fd: -1, state: .connecting)
    connection.isLookUp = true
    connection.deadlineMs = Clock.monotonicMs() + limits.connectMs
    resolve(connection, name, port)
    return connection.id
  }

  /// The addresses that ``lookUp(_:port:)`` found.
  public static func addresses(in answer: [UInt8]) -> [SocketAddress] {
    var addresses: [SocketAddress] = []
    let size = HOST_ADDRESS_BYTES
    for index in 0..<(answer.count / size) {
      addresses.append(SocketAddress(raw: Array(answer[(index * size)..<((index + 1) * size)])))
    }
    return addresses
  }

  /// Same as ``connect(to:)``, with the addresses of `name` already resolved.
  func connect(toFirstOf addresses: [SocketAddress], name: String) -> ConnectionId {
    let connection = add(fd: -1, state: .connecting)
    connection.candidates = addresses.reversed()
    tryNext(connection, nowMs: Clock.monotonicMs(), failure: .unknownHost(name: name))
    return connection.id
  }

  /// Takes over an open stream: one end of a socket pair, of a pipe, or a terminal. For a pipe's
  /// writing end, pause reading.
  public func adopt(_ descriptor: Descriptor) throws(HostError) -> ConnectionId {
    try descriptor.setNonblocking(true)
    return add(fd: descriptor.release(), state: .open).id
  }

  private func add(fd: Int32, state: Connection.State) -> Connection {
    let connection = Connection(
      id: ConnectionId(rawValue: nextId()), fd: fd, state: state, writeLimit: limits.backlogBytes)
    connections.append(connection)
    return connection
  }

  private func connectLocally(_ connection: Connection, _ path: String) {
    guard let name = path.terminated else {
      return end(connection, .failed(.badAddress(text: path)))
    }
    connection.fd = host_unix_connect(name)
    if connection.fd < 0 {
      let error = HostError.failed(errno: -connection.fd, operation: "connect", subject: path)
      end(connection, .failed(error))
    }
  }

  private func resolve(_ connection: Connection, _ host: String, _ port: UInt16) {
    guard let name = host.terminated else {
      return end(connection, .failed(.badAddress(text: host)))
    }
    var child: Int32 = 0
    connection.fd = host_resolve(name, port, &child)
    if connection.fd < 0 {
      let error = HostError.failed(errno: -connection.fd, operation: "look up", subject: host)
      return end(connection, .failed(error))
    }
    connection.state = .resolving(child: child, name: host, port: port)
  }

  func readAnswer(_ connection: Connection, nowMs: UInt64) {
    guard case .resolving(let child, let name, _) = connection.state else { return }
    let got = host_read(connection.fd, &scratch, UInt64(scratch.count))
    if got == -Int64(HOST_EAGAIN) { return }
    if got > 0 {
      connection.answer.append(contentsOf: scratch[0..<Int(got)])
      return
    }
    host_resolve_end(child)
    _ = host_close(connection.fd)
    connection.fd = -1
    connection.state = .connecting
    if connection.isLookUp {
      if !connection.answer.isEmpty { queue.append(.received(connection.id, connection.answer)) }
      return end(connection, .finished)
    }
    connection.candidates = Reactor.addresses(in: connection.answer).reversed()
    connection.answer = []
    tryNext(connection, nowMs: nowMs, failure: .unknownHost(name: name))
  }

  /// Tries the next candidate; `failure` is the reason if there is none left.
  private func tryNext(_ connection: Connection, nowMs: UInt64, failure: HostError) {
    var failure = failure
    while let address = connection.candidates.popLast() {
      if let accepts = connection.accepts, !accepts(address) {
        failure = .notAccepted(address: address.description)
        continue
      }
      let fd = host_tcp_connect(address.bytes)
      if fd >= 0 {
        connection.fd = fd
        connection.remote = address
        // Limit each address's time, so that time is left for those after it.
        let isLast = connection.candidates.isEmpty
        connection.deadlineMs = nowMs + (isLast ? limits.connectMs : limits.connectMs / 3)
        return
      }
      failure = .failed(errno: -fd, operation: "connect", subject: address.description)
    }
    end(connection, .failed(failure))
  }

  /// The address did not answer within its time limit.
  func connectTimedOut(_ connection: Connection, nowMs: UInt64) {
    if connection.candidates.isEmpty { return end(connection, .timedOut) }
    _ = host_close(connection.fd)
    connection.fd = -1
    tryNext(connection, nowMs: nowMs, failure: .unknownHost(name: connection.remote.description))
  }

  func concludeConnect(_ connection: Connection, nowMs: UInt64) {
    let error = host_socket_error(connection.fd)
    if error < 0 {
      let failure = HostError.failed(
        errno: -error, operation: "connect", subject: connection.remote.description)
      _ = host_close(connection.fd)
      connection.fd = -1
      return tryNext(connection, nowMs: nowMs, failure: failure)
    }
    let isFinishing = connection.isFinishing
    connection.state = isFinishing ? .finishing(shutDown: false) : .open
    connection.deadlineMs = isFinishing ? nowMs + limits.finishMs : nil
    if !isFinishing { queue.append(.connected(connection.id, remote: connection.remote)) }
    flush(connection)
  }

  // MARK: Using

  /// Sends or buffers `bytes`. False if the connection is closed, or is closed now because more
  /// than ``Limits/backlogBytes`` were already buffered. The buffer is therefore limited to that
  /// and one message.
  @discardableResult
  public func send(_ id: ConnectionId, _ bytes: [UInt8]) -> Bool {
    guard let connection = find(id), !connection.isFinishing else { return false }
    if bytes.isEmpty { return true }
    if connection.outgoing.count > connection.writeLimit {
      end(connection, .backlogExceeded)
      return false
    }
    var start = 0
    if connection.state == .open && connection.outgoing.isEmpty {
      let done = bytes.withUnsafeBufferPointer { buffer -> Int64 in
        guard let base = buffer.baseAddress else { return 0 }
        return host_write(connection.fd, base, UInt64(buffer.count))
      }
      if done < 0 && done != -Int64(HOST_EAGAIN) {
        end(connection, .failed(failure(Int32(-done), "write")))
        return false
      }
      start = max(0, Int(done))
    }
    if start < bytes.count { connection.outgoing.append(bytes, from: start) }
    return true
  }

  /// The number of sent bytes that the kernel has not accepted yet.
  public func pendingBytes(_ id: ConnectionId) -> Int { find(id)?.outgoing.count ?? 0 }

  public func isOpen(_ id: ConnectionId) -> Bool { find(id) != nil }

  /// Replaces ``Limits/backlogBytes`` for this connection.
  public func setBacklogLimit(_ id: ConnectionId, bytes: Int) { find(id)?.writeLimit = bytes }

  /// While reading is paused nothing is received, and TCP flow control stops the peer.
  public func setReading(_ id: ConnectionId, _ on: Bool) {
    guard let connection = find(id) else { return }
    connection.isPaused = !on
    if on { connection.isMuted = false }
  }

  // MARK: Ending

  /// Closes the connection at once; buffered bytes are lost, and no event follows.
  public func close(_ id: ConnectionId) {
    guard let index = place(of: id) else { return }
    Reactor.discard(connections[index])
    connections.remove(at: index)
    queue.removeAll { $0.connection == id }
  }

  /// Sends buffered bytes, then closes; received bytes are discarded. The outcome is a
  /// ``CloseReason``.
  public func finish(_ id: ConnectionId) {
    guard let connection = find(id), !connection.isFinishing else { return }
    connection.isFinishing = true
    connection.isPaused = false
    connection.isMuted = false
    guard connection.state == .open else { return }
    connection.state = .finishing(shutDown: false)
    connection.deadlineMs = Clock.monotonicMs() + limits.finishMs
    flush(connection)
  }

  /// Closes the connection and reports the reason to the caller.
  func end(_ connection: Connection, _ reason: CloseReason) {
    guard let index = place(of: connection.id) else { return }
    connections.remove(at: index)
    Reactor.discard(connection)
    queue.append(.closed(connection.id, reason))
  }

  static func discard(_ connection: Connection) {
    if case .resolving(let child, _, _) = connection.state { host_resolve_end(child) }
    if connection.fd >= 0 { _ = host_close(connection.fd) }
    connection.fd = -1
  }

  func find(_ id: ConnectionId) -> Connection? {
    guard let index = place(of: id) else { return nil }
    return connections[index]
  }

  /// Binary search: identifiers are ascending.
  private func place(of id: ConnectionId) -> Int? {
    var low = 0
    var high = connections.count
    while low < high {
      let middle = (low + high) / 2
      if connections[middle].id < id { low = middle + 1 } else { high = middle }
    }
    return low < connections.count && connections[low].id == id ? low : nil
  }
}
