import Agent
import Bytes
import Host

/// A program in a sandbox, whose standard streams are transferred between its pipes and the core: a
/// task's or an exec session's.
protocol StreamedProgram: AnyObject {
  /// -1 if closed.
  func descriptor(_ port: StandardStreams.Port) -> Int32
  /// How many bytes of its output may be read now.
  func outputRoom(isError: Bool) -> Int
  func outputRead(_ bytes: [UInt8], isError: Bool)
  func outputEnded(isError: Bool)
  func inputTaken(_ count: Int)
  func closeInput()
}

/// Transfers a program's three standard streams, and watches only descriptors that can make progress.
/// Outputs rest between readings: ``StreamRest``.
struct StandardStreams {
  enum Port: UInt64 {
    case input = 1
    case output = 2
    case error = 3
  }

  /// The most bytes per read.
  static let chunkBytes = 65_536
  /// The number of separate writes that a pipe in packet mode holds.
  fileprivate static let mostReads: UInt32 = 16

  private let id: PortId
  /// Input that the pipe has not accepted.
  private var held: [UInt8] = []
  private var inputIsEnded = false
  private var isWatching: [Bool] = [false, false, false]
  private var rests = [StreamRest(), StreamRest()]

  init(_ id: PortId) { self.id = id }

  // MARK: Input

  mutating func write(_ bytes: [UInt8], to program: any StreamedProgram, _ reactor: Reactor) {
    held.append(contentsOf: bytes)
    feed(program, reactor)
  }

  mutating func endInput(of program: any StreamedProgram, _ reactor: Reactor) {
    inputIsEnded = true
    feed(program, reactor)
  }

  /// Writes held input. If the reader closed its end, held input is dropped and counts as taken.
  mutating func feed(_ program: any StreamedProgram, _ reactor: Reactor) {
    let descriptor = program.descriptor(.input)
    var taken = 0
    while !held.isEmpty {
      guard descriptor >= 0, let count = Pipes.write(descriptor, held) else {
        taken += held.count
        held = []
        break
      }
      if count == 0 { break }
      held.removeFirst(count)
      taken += count
    }
    if taken > 0 { program.inputTaken(taken) }
    watch(.input, descriptor, !held.isEmpty, reactor)
    if held.isEmpty && inputIsEnded { program.closeInput() }
  }

  // MARK: Output

  mutating func read(_ port: Port, of program: any StreamedProgram, _ reactor: Reactor) {
    let isError = port == .error
    let room = program.outputRoom(isError: isError)
    if room == 0 { return }
    let limit = min(room, StandardStreams.chunkBytes)
    switch Pipes.read(program.descriptor(port), limit) {
    case .bytes(let bytes):
      rests[isError ? 1 : 0].read(bytes.count, nowMs: Clock.monotonicMs())
      program.outputRead(bytes, isError: isError)
    case .ended:
      watch(port, -1, false, reactor)
      program.outputEnded(isError: isError)
    case .wouldBlock: break
    }
  }

  /// Reads the rest of the pipes after the program's end: at most one pipe buffer each.
  mutating func drain(_ program: any StreamedProgram, _ reactor: Reactor) {
    unwatch(reactor)
    for port in [Port.output, .error] {
      for _ in 0..<32 {
        guard
          case .bytes(let bytes) = Pipes.read(program.descriptor(port), StandardStreams.chunkBytes)
        else { break }
        program.outputRead(bytes, isError: port == .error)
      }
    }
  }

  // MARK: Watching

  /// Updates the output watches. Call it when room may have changed, and when the next rest is over:
  /// returns that time.
  mutating func refresh(
    _ program: any StreamedProgram, _ reactor: Reactor, nowMs: UInt64
  ) -> UInt64 {
    var nextMs = UInt64.max
    for port in [Port.output, .error] {
      let rest = rests[port == .error ? 1 : 0]
      let hasRoom = program.outputRoom(isError: port == .error) > 0
      let isOver = rest.isOver(nowMs: nowMs)
      watch(port, program.descriptor(port), hasRoom && isOver, reactor)
      if hasRoom && !isOver && program.descriptor(port) >= 0 { nextMs = min(nextMs, rest.untilMs) }
    }
    return nextMs
  }

  mutating func unwatch(_ reactor: Reactor) {
    for port in [Port.input, .output, .error] { watch(port, -1, false, reactor) }
  }

  private mutating func watch(_ port: Port, _ descriptor: Int32, _ on: Bool, _ reactor: Reactor) {
    let isWanted = on && descriptor >= 0
    let place = Int(port.rawValue) - 1
    if isWatching[place] == isWanted { return }
    isWatching[place] = isWanted
    let token = id.token(port.rawValue)
    if isWanted {
      reactor.watch(
        descriptor, token: token, readable: port != .input, writable: port == .input)
    } else {
      reactor.unwatch(token)
    }
  }
}

/// Identifies the owner of watched descriptors: numbers from 1, each used once.
struct PortId: Equatable {
  let value: UInt64

  /// `port` must be below 8. Other watches use tokens above all of these.
  func token(_ port: UInt64) -> UInt64 { value << 3 | port }

  static func of(token: UInt64) -> (PortId, port: UInt64) { (PortId(value: token >> 3), token & 7) }
}

/// Reads and writes borrowed descriptors.
enum Pipes {
  static func read(_ descriptor: Int32, _ limit: Int) -> Descriptor.Read {
    if descriptor < 0 { return .ended }
    let borrowed = Descriptor(owning: descriptor)
    let result = (try? borrowed.read(limit: limit, calls: StandardStreams.mostReads)) ?? .ended
    _ = borrowed.release()
    return result
  }

  /// Returns the bytes written, 0 if the pipe is full, nil if the reader closed it.
  static func write(_ descriptor: Int32, _ bytes: [UInt8]) -> Int? {
    let borrowed = Descriptor(owning: descriptor)
    let result = try? borrowed.write(bytes)
    _ = borrowed.release()
    switch result {
    case .wrote(let count): return count
    case .wouldBlock: return 0
    default: return nil
    }
  }
}
