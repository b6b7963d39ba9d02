import Bytes

extension SessionMachine {
  /// Queues a control message. False, and nothing queued, when the session is not established, the
  /// message is longer than ``SessionLimits/controlBytes``, or too much waits already.
  public mutating func sendControl(_ message: [UInt8]) -> Bool {
    if phase != .established || message.count > SessionLimits.controlBytes
      || controlQueued + message.count > limits.queuedControlBytes
      || controlQueue.count >= 1024
    {
      return false
    }
    controlQueue.append(message)
    controlQueued += message.count
    controlsQueued += 1
    return true
  }

  /// Opens a stream, and lets the peer send `window` bytes on it. Nil when the session is not
  /// established or as many streams are open as are allowed.
  public mutating func open(_ opening: StreamOpening, window: Int = 0) -> StreamId? {
    if phase != .established || streamCount(mine: true) >= limits.streams
      || nextStream > UInt32.max - 2
    {
      return nil
    }
    let id = StreamId(raw: nextStream)
    nextStream += 2
    var stream = StreamState(id: id, isMine: true, opening: opening)
    stream.openPending = true
    stream.followsControls = controlsQueued
    streams.append(stream)
    _ = grant(id, bytes: window)
    return id
  }

  /// Takes as much of `bytes[start...]` as there is room for, and gives how much that was. When it is
  /// less than all, `.creditAvailable` follows once there is room. 0 for a stream that is gone.
  public mutating func send(_ id: StreamId, _ bytes: [UInt8], from start: Int = 0) -> Int {
    guard phase == .established, let index = index(of: id) else { return 0 }
    if streams[index].endRequested || streams[index].resetPending { return 0 }
    let room = limits.queuedBytes - streams[index].queue.count
    let taken = min(room, bytes.count - start)
    if taken < bytes.count - start { streams[index].wantsRoom = true }
    if taken <= 0 { return 0 }
    streams[index].queue.append(bytes[start..<(start + taken)])
    return taken
  }

  /// No more will be sent on this stream; what is queued still goes. The stream is gone once both
  /// ends ended it.
  public mutating func endStream(_ id: StreamId) {
    guard let index = index(of: id) else { return }
    streams[index].endRequested = true
  }

  /// Gives a stream up in both directions: what is queued is dropped, what still comes is ignored.
  public mutating func resetStream(_ id: StreamId) {
    guard let index = index(of: id) else { return }
    if streams[index].openPending {
      remove(index)
      return
    }
    streams[index].queue.removeAll()
    streams[index].resetPending = true
  }

  /// Lets the peer send `bytes` more. Gives what was granted: less where that would be above the
  /// limit, 0 for a stream that is gone or that the peer ended.
  public mutating func grant(_ id: StreamId, bytes: Int) -> Int {
    guard let index = index(of: id) else { return 0 }
    if streams[index].endReceived || streams[index].resetPending { return 0 }
    let granted = max(0, min(bytes, limits.credit - streams[index].receiveCredit))
    streams[index].receiveCredit += granted
    streams[index].pendingGrant += granted
    return granted
  }

  /// How a stream stands, as the opening that would go on from here on another connection. Also
  /// after the session ended. Nil for a stream that is gone.
  public func opening(of id: StreamId) -> StreamOpening? {
    guard let index = index(of: id) else { return nil }
    return streams[index].current
  }

  /// The open streams, in the order in which they were opened. After a failure: those that it cut.
  public var openStreams: [StreamId] {
    var ids: [StreamId] = []
    for stream in streams { ids.append(stream.id) }
    return ids
  }

  // MARK: Lookup

  func index(of id: StreamId) -> Int? {
    for index in streams.indices where streams[index].id == id { return index }
    return nil
  }

  func streamCount(mine: Bool) -> Int {
    var count = 0
    for stream in streams where stream.isMine == mine { count += 1 }
    return count
  }

  func wasOpened(_ id: StreamId) -> Bool {
    if id.raw == 0 { return false }
    let isMine = (id.raw % 2 == 1) == (role == .initiator)
    return isMine ? id.raw < nextStream && index(of: id) == nil : id.raw <= highestPeerStream
  }

  mutating func remove(_ index: Int) {
    streams.remove(at: index)
    if cursor > index { cursor -= 1 }
  }

  mutating func removeIfFinished(_ index: Int) {
    if streams[index].isFinished { remove(index) }
  }
}
