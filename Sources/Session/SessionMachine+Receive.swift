import Bytes

extension SessionMachine {
  /// Bytes came from the transport, cut anywhere.
  public mutating func received(_ bytes: [UInt8], nowMs: UInt64) {
    if phase == .over { return }
    latestMs = max(latestMs, nowMs)
    inbound.append(contentsOf: bytes)
    do {
      try consume(nowMs: nowMs)
    } catch {
      fail(error)
    }
  }

  /// Takes every whole message out of `inbound`, and leaves less than one.
  private mutating func consume(nowMs: UInt64) throws(SessionError) {
    var head = 0
    while phase != .over && inbound.count - head >= 2 {
      let length = Int(inbound[head]) << 8 | Int(inbound[head + 1])
      try check(length: length)
      let start = head + 2
      if inbound.count - start < length { break }
      head = start + length
      if phase == .handshaking {
        try readHandshake(Array(inbound[start..<head]))
      } else {
        try receiveCipher!.open(&inbound, range: start..<head)
        try readFrame(inbound, start..<(head - Frame.tagLength), nowMs: nowMs)
      }
    }
    if head >= inbound.count {
      inbound.removeAll(keepingCapacity: inbound.capacity <= 128 * 1024)
    } else if head > 0 {
      inbound.removeSubrange(0..<head)
    }
  }

  private func check(length: Int) throws(SessionError) {
    if phase == .handshaking {
      if length != handshakeMessageLength { throw SessionError.handshakeFailed }
    } else if length < Frame.headerLength + Frame.tagLength {
      throw SessionError.badLength(length)
    }
  }

  /// One authentic frame, its plaintext at `bytes[range]`.
  private mutating func readFrame(
    _ bytes: [UInt8], _ range: Range<Int>, nowMs: UInt64
  ) throws(SessionError) {
    let start = range.lowerBound
    let raw = bytes[start]
    var stream: UInt32 = 0
    for index in 0..<4 { stream |= UInt32(bytes[start + 1 + index]) << UInt32(8 * index) }
    let payload = Array(bytes[(start + Frame.headerLength)..<range.upperBound])
    guard let type = FrameType(rawValue: raw) else { throw SessionError.malformedFrame(type: raw) }
    let isProof = type == .identity
    if (phase == .proving) != isProof { throw SessionError.malformedFrame(type: raw) }
    lastReceivedMs = nowMs
    switch type {
    case .open, .data, .end, .reset, .credit:
      try readStreamFrame(type, StreamId(raw: stream), payload)
    default:
      if stream != 0 { throw SessionError.malformedFrame(type: raw) }
      try readSessionFrame(type, payload, nowMs: nowMs)
    }
  }

  private mutating func readSessionFrame(
    _ type: FrameType, _ payload: [UInt8], nowMs: UInt64
  ) throws(SessionError) {
    switch type {
    case .identity: try readIdentity(payload, nowMs: nowMs)
    case .control, .controlPart:
      if controlParts.count + payload.count > SessionLimits.controlBytes {
        throw SessionError.controlTooLong
      }
      if type == .controlPart {
        // Without this, parts of nothing could follow each other for ever.
        if payload.isEmpty { throw SessionError.malformedFrame(type: type.rawValue) }
        controlParts += payload
      } else if controlParts.isEmpty {
        effects.append(.control(payload))
      } else {
        effects.append(.control(controlParts + payload))
        controlParts = []
      }
    case .ping:
      if payload.count != 8 { throw SessionError.malformedFrame(type: type.rawValue) }
      // One answer is enough for any number of questions.
      pongPending = payload
    case .pong:
      if payload.count != 8 { throw SessionError.malformedFrame(type: type.rawValue) }
    case .close:
      if payload.count != 1 { throw SessionError.malformedFrame(type: type.rawValue) }
      if payload[0] != 0 { throw SessionError.closedByPeer(code: payload[0]) }
      phase = .over
      release()
      effects.append(.closed)
    default: throw SessionError.malformedFrame(type: type.rawValue)
    }
  }

  private mutating func readStreamFrame(
    _ type: FrameType, _ id: StreamId, _ payload: [UInt8]
  ) throws(SessionError) {
    if type == .open { return try readOpen(id, payload) }
    guard let index = index(of: id), !streams[index].openPending else {
      // What was on its way when this end gave the stream up; anything else was never opened.
      if wasOpened(id) { return }
      throw SessionError.badStream(id)
    }
    switch type {
    case .data:
      if streams[index].endReceived { throw SessionError.dataAfterEnd(id) }
      if payload.isEmpty { throw SessionError.malformedFrame(type: type.rawValue) }
      if payload.count > streams[index].receiveCredit { throw SessionError.flowControl(id) }
      streams[index].receiveCredit -= payload.count
      streams[index].receivedBytes &+= UInt64(payload.count)
      if !streams[index].resetPending { effects.append(.data(id, payload)) }
    case .end:
      if !payload.isEmpty { throw SessionError.malformedFrame(type: type.rawValue) }
      if streams[index].endReceived { throw SessionError.dataAfterEnd(id) }
      streams[index].endReceived = true
      if !streams[index].resetPending { effects.append(.streamEnded(id)) }
      removeIfFinished(index)
    case .reset:
      if !payload.isEmpty { throw SessionError.malformedFrame(type: type.rawValue) }
      if !streams[index].resetPending { effects.append(.streamReset(id)) }
      remove(index)
    default: try readCredit(index, payload)
    }
  }

  private mutating func readOpen(_ id: StreamId, _ payload: [UInt8]) throws(SessionError) {
    let isPeers = id.raw != 0 && (id.raw % 2 == 1) == (role == .responder)
    if !isPeers || id.raw <= highestPeerStream { throw SessionError.badStream(id) }
    guard let (opening, window) = StreamOpening.decode(payload) else {
      throw SessionError.malformedFrame(type: FrameType.open.rawValue)
    }
    if window > StreamState.creditCeiling { throw SessionError.creditOverflow(id) }
    if streamCount(mine: false) >= limits.streams { throw SessionError.tooManyStreams }
    highestPeerStream = id.raw
    var stream = StreamState(id: id, isMine: false, opening: opening)
    stream.sendCredit = Int(window)
    streams.append(stream)
    effects.append(.streamOpened(id, opening))
  }

  private mutating func readCredit(_ index: Int, _ payload: [UInt8]) throws(SessionError) {
    var reader = ByteReader(payload)
    guard let grant = try? reader.u32le(), reader.isAtEnd, grant > 0 else {
      throw SessionError.malformedFrame(type: FrameType.credit.rawValue)
    }
    if UInt64(streams[index].sendCredit) + UInt64(grant) > UInt64(StreamState.creditCeiling) {
      throw SessionError.creditOverflow(streams[index].id)
    }
    streams[index].sendCredit += Int(grant)
  }
}
