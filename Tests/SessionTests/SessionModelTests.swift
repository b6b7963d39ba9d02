import Bytes
import TestSupport
import Testing

@testable import Session

/// Two sessions under random use and random chunking, against a model that keeps everything that was
/// ever accepted and granted.
@Suite struct SessionModelTests {
  /// One direction of one stream.
  struct Direction {
    var accepted: [UInt8] = []
    var delivered: [UInt8] = []
    var granted = 0
    var endRequested = false
    var ended = false
  }

  struct Stream {
    let id: StreamId
    let opener: Int
    let opening: StreamOpening
    var isOpened = false
    /// An end gave it up: nothing may come out of that end any more.
    var gaveUp = [false, false]
    /// By sending end.
    var directions = [Direction(), Direction()]
  }

  struct Model {
    /// `#expect`, a million times: only what is wrong is recorded.
    func check(_ isRight: Bool, line: Int = #line) {
      if !isRight { Issue.record("line \(line)") }
    }

    var wire: Wire
    var random: SeededGenerator
    var streams: [Stream] = []
    var controlAccepted: [[[UInt8]]] = [[], []]
    var controlDelivered: [[[UInt8]]] = [[], []]
    var refused: [[StreamId]] = [[], []]
    let limits: SessionLimits

    init(seed: UInt64) {
      random = SeededGenerator(seed: seed)
      var limits = SessionLimits()
      limits.streams = random.int(1...4)
      limits.queuedBytes = random.int(1...300)
      limits.queuedControlBytes = random.int(1...500)
      limits.credit = random.int(1...400)
      limits.framePayload = random.int(1...60)
      limits.transmitBytes = random.int(1...200)
      limits.rekeyInterval = UInt64(random.int(1...9))
      self.limits = limits
      wire = Wire.established(seed: seed, limits: limits)
    }

    func index(_ id: StreamId) -> Int? { streams.firstIndex { $0.id == id } }

    mutating func step() {
      let end = random.int(0...1)
      switch random.int(0...11) {
      case 0:
        let message = random.bytes(random.int(0...200))
        let waits = wire.ends[end].controlQueued
        let isAccepted = wire.ends[end].sendControl(message)
        check(isAccepted == (waits + message.count <= limits.queuedControlBytes))
        if isAccepted { controlAccepted[end].append(message) }
      case 1: open(end)
      case 2, 3, 4: send(end)
      case 5, 6: grant(end)
      case 7:
        if random.once(in: 3), let stream = streams.randomElement(using: &random) {
          wire.ends[end].endStream(stream.id)
          if isUsable(stream, end) {
            streams[index(stream.id)!].directions[end].endRequested = true
          }
        }
      case 8:
        if random.once(in: 8), let stream = streams.randomElement(using: &random),
          isUsable(stream, end)
        {
          wire.ends[end].resetStream(stream.id)
          streams[index(stream.id)!].gaveUp[end] = true
        }
      case 9: wire.ends[end].transportIsBlocked = random.once(in: 3)
      default:
        wire.drain(end)
        wire.deliver(to: end, random.int(0...max(1, wire.inFlight[end].count)))
      }
      listen()
      checkBounds()
    }

    func isUsable(_ stream: Stream, _ end: Int) -> Bool {
      wire.ends[end].openStreams.contains(stream.id) && !stream.gaveUp[end]
    }

    mutating func open(_ end: Int) {
      let opening = StreamOpening(
        kind: .terminal, key: random.bytes32(), sendOffset: UInt64(random.int(0...9)),
        receiveOffset: UInt64(random.int(0...9)))
      let window = random.int(0...100)
      let before = wire.ends[end].streamCount(mine: true)
      let id = wire.ends[end].open(opening, window: window)
      check((id != nil) == (before < limits.streams))
      guard let id else { return }
      check(index(id) == nil)
      var stream = Stream(id: id, opener: end, opening: opening)
      stream.directions[1 - end].granted = min(window, limits.credit)
      streams.append(stream)
    }

    mutating func send(_ end: Int) {
      guard let stream = streams.randomElement(using: &random), let index = index(stream.id) else {
        return
      }
      let bytes = random.bytes(random.int(0...150))
      let start = random.int(0...bytes.count)
      let taken = wire.ends[end].send(stream.id, bytes, from: start)
      check(taken >= 0 && taken <= bytes.count - start)
      if stream.directions[end].endRequested || !isUsable(stream, end) { check(taken == 0) }
      streams[index].directions[end].accepted += bytes[start..<(start + taken)]
      if taken < bytes.count - start && isUsable(stream, end)
        && !stream.directions[end].endRequested
      {
        refused[end].append(stream.id)
      }
    }

    mutating func grant(_ end: Int) {
      guard let stream = streams.randomElement(using: &random), let index = index(stream.id) else {
        return
      }
      let granted = wire.ends[end].grant(stream.id, bytes: random.int(0...200))
      streams[index].directions[1 - end].granted += granted
      let direction = streams[index].directions[1 - end]
      check(direction.granted - direction.delivered.count <= limits.credit)
    }

    /// What the ends said must be what the model knows can be said.
    mutating func listen() {
      for end in 0...1 {
        for effect in wire.said[end] {
          switch effect {
          case .control(let message):
            let next = controlDelivered[end].count
            check(
              next < controlAccepted[1 - end].count && controlAccepted[1 - end][next] == message)
            controlDelivered[end].append(message)
          case .streamOpened(let id, let opening):
            let index = index(id)!
            check(!streams[index].isOpened && streams[index].opener != end)
            check(streams[index].opening == opening)
            streams[index].isOpened = true
          case .data(let id, let bytes):
            let index = index(id)!
            let direction = streams[index].directions[1 - end]
            check(!bytes.isEmpty && !direction.ended && !streams[index].gaveUp[end])
            let all = direction.delivered + bytes
            check(all.count <= direction.granted)
            check(all.count <= direction.accepted.count)
            check(Array(direction.accepted.prefix(all.count)) == all)
            streams[index].directions[1 - end].delivered = all
          case .streamEnded(let id):
            let index = index(id)!
            let direction = streams[index].directions[1 - end]
            check(direction.endRequested && direction.delivered == direction.accepted)
            streams[index].directions[1 - end].ended = true
          case .streamReset(let id):
            check(streams[index(id)!].gaveUp[1 - end])
            check(!wire.ends[end].openStreams.contains(id))
          case .creditAvailable(let id):
            check(refused[end].contains(id))
            refused[end].removeAll { $0 == id }
          default: Issue.record("unexpected effect \(effect)")
          }
        }
        wire.said[end] = []
      }
      checkTokens()
    }

    func checkTokens() {
      for stream in streams {
        for end in 0...1 {
          guard isUsable(stream, end), let token = wire.ends[end].opening(of: stream.id) else {
            continue
          }
          let base =
            stream.opener == end ? stream.opening.receiveOffset : stream.opening.sendOffset
          check(
            token.receiveOffset == base + UInt64(stream.directions[1 - end].delivered.count))
        }
      }
    }

    func checkBounds() {
      for end in 0...1 {
        let machine = wire.ends[end]
        for stream in machine.streams { check(stream.queue.count <= limits.queuedBytes) }
        check(machine.controlQueued <= limits.queuedControlBytes)
        check(machine.inbound.count < 65537)
        check(machine.streams.count <= 2 * limits.streams)
      }
    }

    /// Unblocks, grants and delivers until all that can arrive has.
    mutating func finish() {
      for end in 0...1 { wire.ends[end].transportIsBlocked = false }
      for _ in 0..<500 {
        wire.settle()
        listen()
        var isMoving = false
        for index in streams.indices {
          for end in 0...1 {
            let granted = wire.ends[end].grant(streams[index].id, bytes: 400)
            streams[index].directions[1 - end].granted += granted
            if granted > 0
              && streams[index].directions[1 - end].delivered.count
                < streams[index].directions[1 - end].accepted.count
            {
              isMoving = true
            }
          }
        }
        if !isMoving { break }
      }
      wire.settle()
      listen()
      for end in 0...1 {
        check(wire.failure(end) == nil && wire.ends[end].isEstablished)
        check(controlDelivered[end] == controlAccepted[1 - end])
        check(wire.ends[end].bufferedBytes == 0)
      }
      for stream in streams where !stream.gaveUp[0] && !stream.gaveUp[1] {
        for direction in stream.directions {
          check(direction.delivered == direction.accepted)
          check(direction.ended == direction.endRequested)
        }
      }
    }
  }

  @Test(arguments: 0..<20)
  func randomUse(batch: UInt64) {
    for seed in 0..<100 {
      var model = Model(seed: batch * 1000 + UInt64(seed))
      for _ in 0..<80 { model.step() }
      model.finish()
    }
  }
}
