import Bitcoin
import Bytes
import Capability
import Channel
import Crypto
import Market
import Session
import TestSupport

@testable import Hiring

/// The provider's side of a lease as the protocol has it, in its simplest form, with switches for every
/// kind of misbehaviour. Tasks here are numbers.
final class ScriptedProvider {
  struct Behaviour {
    var hourSat: UInt64 = 400_000
    var networkPsatPerKiB: UInt64 = 0
    var firstPaymentSat: UInt64 = 330
    var maxLossSat: UInt64 = 100
    var debt: Debt?
    var memoryMiB: UInt32 = 256
    var taskMs: UInt64 = 1_000
    var exit: ExitKind = .exited
    var resultBytes = 0
    var corruptsResults = false
    /// Tasks that run at a time.
    var atATime = 1
    /// Use is reported multiplied by this, in tenths.
    var overstatesTenths: UInt64 = 10
    var ignoresStops = false
    /// Hangs up for good when so many payments came.
    var vanishesAfterPayments: Int?
    /// The place is gone when the funding comes.
    var fundsTooLate = false
    var neverStarts = false
    var neverAccepts = false
    /// Orders with these numbers are refused.
    var refuses = Set<UInt32>()
    /// Every message that it sends is sent twice.
    var repeatsItself = false
    /// It never hangs up.
    var staysOnTheLine = false
    /// Its close is never broadcast.
    var keepsClose = false
    /// Why it does not bid.
    var declines: RefusalCode?
  }

  struct Run {
    var order: TaskOrder
    var startedAtMs: UInt64?
    var endedAtMs: UInt64?
    /// How long the lease stood still before the start.
    var stillMs: UInt64 = 0
  }

  unowned let world: World
  let index: Int
  var behaviour: Behaviour
  let identity: Ed25519.KeyPair
  let payoutScript: [UInt8]
  let report: [UInt8]

  var session: SessionMachine?
  var isReady = false
  var redialAtMs: UInt64?
  var isGone = false
  var wantsDial = true
  var publisherState: LeaseState?

  // MARK: The lease
  var contract: Contract?
  var offer: Offer?
  var channels: [ProviderChannel] = []
  var keyCount: UInt8 = 0
  var isOpen = false
  var isEnding = false
  var hasReceiptSigned = false
  var openedAtMs: UInt64 = 0
  var reserved = ReservationClock()
  var runs: [UInt32: Run] = [:]
  /// How often each program ran, by its first argument's text.
  var executions: [String: Int] = [:]
  var lines: [TaskLine] = []
  var linesSent = 0
  var reportedSat: UInt64 = 0
  var reportAtMs: UInt64 = 0
  var reportSequence: UInt64 = 0
  var saidFinal = false
  var saidReceipt = false
  var streams: [StreamId: (kind: StreamKind, key: Bytes32, offset: UInt64)] = [:]
  var pulled: [Bytes32: Int] = [:]
  var pulling: [StreamId: Bytes32] = [:]
  var refusals: [RefusalCode] = []
  var endedByPublisher: String?
  var payments = 0
  var stops: [UInt32] = []
  var scannedHeight = 0
  var topUps = 0
  var standing = Standing.running
  var still = ReservationClock()
  var taskEndsAtMs = UInt64.max
  var heldClosesBroadcast = false

  var execInputs: [StreamId: UInt32] = [:]
  var execOutputs: [UInt32: [StreamId]] = [:]

  init(_ world: World, _ behaviour: Behaviour = Behaviour()) {
    self.world = world
    self.behaviour = behaviour
    index = world.providers.count
    identity = Ed25519.KeyPair(seed: Sha256.hash([0x70, UInt8(index)]))
    payoutScript = Script.p2wsh(witnessScript: [0x51, UInt8(index)])
    var signed = CapabilityReport(
      identity: identity.publicKey, blockHeight: 0, blockHash: .zero, unixSeconds: 1,
      architecture: "x86_64", processors: 2, memoryMiB: behaviour.memoryMiB, isolation: 2,
      results: [])
    signed.sign(identity)
    report = signed.encode()
  }

  var nowMs: UInt64 { world.nowMs }

  func secret(_ number: UInt8) -> Bytes32 {
    Sha256.hash([0x71, UInt8(index), number, UInt8(truncatingIfNeeded: leases)])
  }
  var leases = 0
  func key(_ number: UInt8) -> [UInt8] {
    (try? Secp256k1.publicKey(of: secret(number))) ?? []
  }

  // MARK: The connection

  /// Nothing more comes from it.
  func vanish() {
    isGone = true
    world.hangUp(fromProvider: index)
    session = nil
  }

  func connected() {
    let publisher = (try? TestPublisher.keys()).flatMap { try? HiringSecrets(keys: $0) }
    session = try? SessionMachine(
      role: .initiator, identity: identity, expectedPeer: publisher?.identity.publicKey,
      ephemeral: world.random.bytes32(), nowMs: nowMs, limits: HiringSettings().session)
    isReady = false
    publisherState = nil
    streams = [:]
    pulling = [:]
    inputStreams = [:]
    execInputs = [:]
    execOutputs = [:]
    follow()
  }

  func disconnected() {
    reserved.set(running: false, nowMs: nowMs)
    session = nil
    isReady = false
    if isGone || hasReceiptSigned { return }
    redialAtMs = nowMs + 500
  }

  /// Calls again about the announcement, with a new lease.
  func callAnew() {
    wantsDial = true
    redialAtMs = nil
  }

  func received(_ bytes: [UInt8]) {
    session?.received(bytes, nowMs: nowMs)
    follow()
  }

  func follow() {
    if isGone { return }
    scanChain()
    if wantsDial && world.publisher.machine.record(of: world.pool) != nil {
      wantsDial = false
      world.dial(index)
    }
    while let effect = session?.nextEffect() {
      switch effect {
      case .transmit(let bytes): world.transmit(fromProvider: index, bytes)
      case .established: greet()
      case .control(let bytes):
        if let message = try? SessionMessage.decode(bytes) { handle(message) }
      case .streamOpened(let id, let opening): streamOpened(id, opening)
      case .data(let id, let bytes): dataReceived(id, bytes)
      case .streamEnded(let id): streamEnded(id)
      case .streamReset(let id):
        streams[id] = nil
        pulling[id] = nil
      case .creditAvailable(let id): pump(id)
      case .failed, .closed:
        world.hangUp(fromProvider: index)
        disconnected()
      }
    }
  }

  func say(_ message: SessionMessage) {
    if session?.isEstablished != true { return }
    for _ in 0..<(behaviour.repeatsItself ? 2 : 1) { _ = session?.sendControl(message.encode()) }
  }

  func greet() {
    if let contract {
      _ = session?.sendControl(
        SessionMessage.hello(features: PeerFeatures(), subject: .lease(contract.id)).encode())
    } else if let record = world.publisher.machine.record(of: world.pool) {
      let subject = CallSubject.announcement(record.announcement.txid)
      _ = session?.sendControl(
        SessionMessage.hello(features: PeerFeatures(), subject: subject).encode())
    }
  }

  // MARK: Streams

  /// What tasks read, by their numbers.
  var input: [UInt32: [UInt8]] = [:]
  var inputStreams: [StreamId: UInt32] = [:]

  func openInput(_ number: UInt32) {
    guard let contract else { return }
    let key = TaskKey.of(contract: contract.id, number: number)
    let offset = UInt64(input[number]?.count ?? 0)
    let opening = StreamOpening(kind: .standardInput, key: key, receiveOffset: offset)
    if let id = session?.open(opening, window: 32_768) { inputStreams[id] = number }
  }

  func streamOpened(_ id: StreamId, _ opening: StreamOpening) {
    if execOutputOpened(id, opening) { return }
    streams[id] = (opening.kind, opening.key, opening.receiveOffset)
    pump(id)
  }

  func pumpAll() { for id in streams.keys.sorted(by: { $0.raw < $1.raw }) { pump(id) } }

  func pump(_ id: StreamId) {
    guard var stream = streams[id], let contract else { return }
    let found = runs.first { TaskKey.of(contract: contract.id, number: $0.key) == stream.key }
    guard let (number, run) = found, run.endedAtMs != nil else { return }
    var bytes: [UInt8]
    switch stream.kind {
    case .standardOutput:
      bytes = run.startedAtMs == nil ? [] : ScriptedProvider.output(run.order.arguments[1])
    case .fileOut:
      bytes = results(number)
      if behaviour.corruptsResults && !bytes.isEmpty { bytes[0] ^= 1 }
    default: bytes = []
    }
    while Int(stream.offset) < bytes.count {
      let taken = session?.send(id, bytes, from: Int(stream.offset)) ?? 0
      stream.offset += UInt64(taken)
      streams[id] = stream
      if taken == 0 { return }
    }
    session?.endStream(id)
    streams[id] = nil
  }

  func dataReceived(_ id: StreamId, _ bytes: [UInt8]) {
    if let number = inputStreams[id] {
      input[number, default: []] += bytes
      _ = session?.grant(id, bytes: bytes.count)
      return
    }
    if let exec = execInputs[id], let output = execOutputs[exec]?.first {
      _ = session?.send(output, bytes)
      return
    }
    guard let digest = pulling[id] else { return }
    pulled[digest, default: 0] += bytes.count
    _ = session?.grant(id, bytes: bytes.count)
  }

  func streamEnded(_ id: StreamId) {
    if pulling.removeValue(forKey: id) != nil || inputStreams.removeValue(forKey: id) != nil {
      session?.endStream(id)
    }
    if let exec = execInputs.removeValue(forKey: id) {
      session?.endStream(id)
      for output in execOutputs[exec] ?? [] { session?.endStream(output) }
      say(.execEnded(ExecEnd(id: exec, kind: .exited, status: 3)))
    }
    work()
  }

  // MARK: The chain and time

  func scanChain() {
    while scannedHeight < world.blocks.count {
      let block = world.blocks[scannedHeight]
      let height = UInt32(scannedHeight)
      scannedHeight += 1
      for number in channels.indices {
        channels[number].tipChanged(height: height, authenticatedHeight: height)
        for transaction in block.transactions {
          if transaction.txid == channels[number].funding?.txid {
            try? channels[number].fundingConfirmed(transaction, height: height)
            say(.fundingState(channel: UInt8(number), sight: .confirmed(height: height)))
          }
          channels[number].spendSeen(transaction, height: height)
        }
        while let effect = channels[number].nextEffect() {
          if case .broadcast(let transaction) = effect { world.broadcast(transaction) }
        }
      }
      work()
    }
  }

  var nextDeadlineMs: UInt64 {
    if isGone { return UInt64.max }
    var earliest = min(redialAtMs ?? UInt64.max, session?.nextDeadlineMs ?? UInt64.max)
    if isOpen && session?.isEstablished == true && !hasReceiptSigned {
      earliest = min(earliest, reportAtMs)
    }
    return min(earliest, taskEndsAtMs)
  }

  func timePassed() {
    if isGone { return }
    if let at = redialAtMs, nowMs >= at {
      redialAtMs = nil
      world.dial(index)
    }
    session?.tick(nowMs: nowMs)
    work()
    follow()
  }
}

extension World {
  /// The pool that the tests are about.
  var pool: Bytes32 { pools.first ?? .zero }
  private var pools: [Bytes32] {
    publisher.disk.pools.keys.sorted()
  }
}
