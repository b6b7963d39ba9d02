import Bytes

extension SessionMachine {
  /// Frames are made only when the driver asks for them, so that what matters most goes first
  /// however much is queued: signs of life, credit, control messages (payments), then data, one
  /// frame a stream in turn.
  mutating func buildOutput() throws(SessionError) -> [UInt8] {
    guard var cipher = sendCipher else { return [] }
    var output: [UInt8] = []
    while output.count < limits.transmitBytes {
      let before = output.count
      try putNext(&output, &cipher)
      if output.count == before { break }
    }
    sendCipher = cipher
    return output
  }

  private mutating func putNext(
    _ output: inout [UInt8], _ cipher: inout CipherState
  ) throws(SessionError) {
    if phase == .over { return }
    let before = output.count
    try putSignOfLife(&output, &cipher)
    if output.count == before { try putStreamState(&output, &cipher) }
    if output.count == before { try putControl(&output, &cipher) }
    if output.count == before { try putData(&output, &cipher) }
    if output.count == before && phase == .closing {
      try Frame.put(.close, stream: 0, into: &output, cipher: &cipher) { $0.append(0) }
      phase = .over
      release()
      effects.append(.closed)
    }
  }

  private mutating func putSignOfLife(
    _ output: inout [UInt8], _ cipher: inout CipherState
  ) throws(SessionError) {
    if let pong = pongPending {
      pongPending = nil
      try Frame.put(.pong, stream: 0, into: &output, cipher: &cipher) {
        $0.append(contentsOf: pong)
      }
    } else if pingPending {
      pingPending = false
      var writer = ByteWriter()
      writer.u64le(lastPingMs)
      let ping = writer.bytes
      try Frame.put(.ping, stream: 0, into: &output, cipher: &cipher) {
        $0.append(contentsOf: ping)
      }
    }
  }

  /// Openings go first, because the peer accepts stream numbers in rising order only. None overtakes a
  /// control message that was queued before it: the stream may be about that message.
  private mutating func putStreamState(
    _ output: inout [UInt8], _ cipher: inout CipherState
  ) throws(SessionError) {
    let controlsSent = controlsQueued - UInt64(controlQueue.count)
    for index in streams.indices where streams[index].openPending {
      if streams[index].followsControls > controlsSent { break }
      streams[index].openPending = false
      let payload = streams[index].opening.encoded(window: streams[index].pendingGrant)
      streams[index].pendingGrant = 0
      let raw = streams[index].id.raw
      return try Frame.put(.open, stream: raw, into: &output, cipher: &cipher) {
        $0.append(contentsOf: payload)
      }
    }
    for index in streams.indices where streams[index].resetPending {
      let raw = streams[index].id.raw
      remove(index)
      return try Frame.put(.reset, stream: raw, into: &output, cipher: &cipher) { _ in }
    }
    for index in streams.indices
    where streams[index].pendingGrant > 0 && !streams[index].openPending {
      var writer = ByteWriter()
      writer.u32le(UInt32(streams[index].pendingGrant))
      streams[index].pendingGrant = 0
      let payload = writer.bytes
      let raw = streams[index].id.raw
      return try Frame.put(.credit, stream: raw, into: &output, cipher: &cipher) {
        $0.append(contentsOf: payload)
      }
    }
  }

  private mutating func putControl(
    _ output: inout [UInt8], _ cipher: inout CipherState
  ) throws(SessionError) {
    guard let message = controlQueue.first else { return }
    let start = controlOffset
    let end = min(message.count, start + limits.framePayload)
    let type: FrameType = end == message.count ? .control : .controlPart
    try Frame.put(type, stream: 0, into: &output, cipher: &cipher) {
      $0.append(contentsOf: message[start..<end])
    }
    controlOffset = end
    if end == message.count {
      controlOffset = 0
      controlQueued -= message.count
      _ = controlQueue.popFirst()
    }
  }

  private mutating func putData(
    _ output: inout [UInt8], _ cipher: inout CipherState
  ) throws(SessionError) {
    for _ in streams.indices {
      if cursor >= streams.count { cursor = 0 }
      if streams[cursor].isSendable { break }
      cursor += 1
    }
    if cursor >= streams.count { cursor = 0 }
    if streams.isEmpty || !streams[cursor].isSendable { return }
    let index = cursor
    cursor += 1
    let raw = streams[index].id.raw
    if streams[index].queue.isEmpty {
      streams[index].endSent = true
      removeIfFinished(index)
      return try Frame.put(.end, stream: raw, into: &output, cipher: &cipher) { _ in }
    }
    let length = min(streams[index].queue.count, streams[index].sendCredit, limits.framePayload)
    if output.isEmpty {
      output.reserveCapacity(min(streams[index].queue.count, limits.transmitBytes) + length + 64)
    }
    try Frame.put(.data, stream: raw, into: &output, cipher: &cipher) {
      streams[index].queue.take(length, into: &$0)
    }
    streams[index].sendCredit -= length
    streams[index].sentBytes &+= UInt64(length)
    if streams[index].wantsRoom && streams[index].queue.count <= limits.queuedBytes / 2 {
      streams[index].wantsRoom = false
      effects.append(.creditAvailable(streams[index].id))
    }
  }
}
