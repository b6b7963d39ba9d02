import CHost

/// One iteration of the loop: the call of poll(2) and the processing of its results.
extension Reactor {
  func turn(nowMs: UInt64, untilMs: UInt64?) throws(HostError) {
    var set: [host_watch] = []
    var subjects: [Subject] = []
    gather(nowMs: nowMs, &set, &subjects)
    let ready = host_poll(&set, UInt32(set.count), timeoutMs(nowMs: nowMs, untilMs: untilMs))
    try HostError.check(ready, "poll", "event loop")
    let afterMs = Clock.monotonicMs()
    if ready > 0 {
      for index in 0..<set.count where set[index].ready != 0 {
        handle(subjects[index], set[index].ready, nowMs: afterMs)
      }
    }
    while let timer = timers.last, timer.atMs <= afterMs {
      timers.removeLast()
      queue.append(.timerFired(timer.token))
    }
    expire(nowMs: afterMs)
  }

  private func gather(nowMs: UInt64, _ set: inout [host_watch], _ subjects: inout [Subject]) {
    set.reserveCapacity(1 + listeners.count + watches.count + connections.count)
    let readable = Int16(HOST_READABLE)
    let writable = Int16(HOST_WRITABLE)
    func add(_ subject: Subject, _ fd: Int32, _ interest: Int16) {
      set.append(host_watch(fd: fd, interest: interest, ready: 0))
      subjects.append(subject)
    }
    if signalDescriptor >= 0 { add(.signals, signalDescriptor, readable) }
    for listener in listeners where listener.pausedUntilMs <= nowMs {
      add(.listener(listener.id), listener.fd, readable)
    }
    for watch in watches {
      add(
        .watch(watch.token), watch.fd,
        (watch.readable ? readable : 0) | (watch.writable ? writable : 0))
    }
    for connection in connections where connection.fd >= 0 {
      var interest: Int16 = 0
      switch connection.state {
      case .resolving: interest = readable
      case .connecting: interest = writable
      case .open, .finishing:
        if !connection.isPaused { interest |= readable }
        if !connection.outgoing.isEmpty { interest |= writable }
      }
      if interest == 0 && connection.isMuted { continue }
      add(.connection(connection.id), connection.fd, interest)
    }
  }

  /// The timeout for poll(2): until the earliest deadline.
  private func timeoutMs(nowMs: UInt64, untilMs: UInt64?) -> Int32 {
    var earliest = untilMs
    func consider(_ atMs: UInt64) {
      if let known = earliest, known <= atMs { return }
      earliest = atMs
    }
    if !queue.isEmpty { return 0 }
    if let timer = timers.last { consider(timer.atMs) }
    for listener in listeners where listener.pausedUntilMs > nowMs {
      consider(listener.pausedUntilMs)
    }
    for connection in connections {
      if let deadlineMs = connection.deadlineMs { consider(deadlineMs) }
    }
    guard let earliest else { return -1 }
    if earliest <= nowMs { return 0 }
    return Int32(min(earliest - nowMs, 1_000_000_000))
  }

  private func handle(_ subject: Subject, _ ready: Int16, nowMs: UInt64) {
    switch subject {
    case .signals: readSignals()
    case .listener(let id): accept(on: id, nowMs: nowMs)
    case .watch(let token):
      guard let watch = watches.first(where: { $0.token == token }) else { return }
      let bad = Int16(HOST_FAILED | HOST_HUNG_UP | HOST_INVALID)
      if watch.readable && ready & (Int16(HOST_READABLE) | bad) != 0 {
        queue.append(.descriptorReadable(token))
      }
      if watch.writable && ready & (Int16(HOST_WRITABLE) | bad) != 0 {
        queue.append(.descriptorWritable(token))
      }
    case .connection(let id):
      guard let connection = find(id) else { return }
      switch connection.state {
      case .resolving: readAnswer(connection, nowMs: nowMs)
      case .connecting: concludeConnect(connection, nowMs: nowMs)
      case .open, .finishing: exchange(connection, ready)
      }
    }
  }

  func readSignals() {
    var numbers = [UInt8](repeating: 0, count: 64)
    while true {
      let got = host_read(signalDescriptor, &numbers, 64)
      if got <= 0 { return }
      for index in 0..<Int(got) {
        let event = ReactorEvent.signal(Signal(rawValue: Int32(numbers[index])))
        if !queue.contains(event) { queue.append(event) }
      }
    }
  }

  private func expire(nowMs: UInt64) {
    for connection in connections {
      guard let deadlineMs = connection.deadlineMs, deadlineMs <= nowMs else { continue }
      switch connection.state {
      case .resolving: end(connection, .timedOut)
      case .connecting: connectTimedOut(connection, nowMs: nowMs)
      case .open: connection.deadlineMs = nil
      case .finishing(let shutDown): end(connection, shutDown ? .finished : .timedOut)
      }
    }
  }

  // MARK: Streams

  private func exchange(_ connection: Connection, _ ready: Int16) {
    let failed = ready & Int16(HOST_FAILED | HOST_INVALID) != 0
    let hungUp = ready & Int16(HOST_HUNG_UP) != 0
    if ready & Int16(HOST_READABLE) != 0 || (!connection.isPaused && (failed || hungUp)) {
      if !receive(connection) { return }
    } else if failed {
      let error = host_socket_error(connection.fd)
      end(connection, .failed(failure(error < 0 ? -error : Int32(HOST_EPIPE), "read")))
      return
    } else if hungUp {
      connection.isMuted = true
    }
    if ready & Int16(HOST_WRITABLE) != 0 { flush(connection) }
  }

  /// One read. False if the connection has ended.
  private func receive(_ connection: Connection) -> Bool {
    let got = host_read(connection.fd, &scratch, UInt64(scratch.count))
    if got == -Int64(HOST_EAGAIN) { return true }
    if case .finishing(let shutDown) = connection.state {
      if got > 0 { return true }
      end(connection, shutDown ? .finished : .peerClosed)
      return false
    }
    if got > 0 {
      queue.append(.received(connection.id, Array(scratch[0..<Int(got)])))
      return true
    }
    end(connection, got == 0 ? .peerClosed : .failed(failure(Int32(-got), "read")))
    return false
  }

  /// Writes buffered bytes. False if the connection has ended.
  @discardableResult
  func flush(_ connection: Connection) -> Bool {
    let hadSome = !connection.outgoing.isEmpty
    let result = connection.outgoing.flush(to: connection.fd, budget: limits.writeBytes)
    if result < 0 {
      end(connection, .failed(failure(-result, "write")))
      return false
    }
    guard connection.outgoing.isEmpty else { return true }
    if connection.state == .finishing(shutDown: false) {
      connection.state = .finishing(shutDown: true)
      if host_shutdown_writing(connection.fd) < 0 {
        // Not a socket, or closed: no reply can follow.
        end(connection, .finished)
        return false
      }
    } else if hadSome {
      queue.append(.drained(connection.id))
    }
    return true
  }

  func failure(_ errno: Int32, _ operation: String) -> HostError {
    .failed(errno: errno, operation: operation, subject: "connection")
  }
}
