import Bytes
import CSodium
import Crypto
import Session

/// A file that goes through a session, both ends in this process without a transport between them,
/// beside bare ChaCha20-Poly1305: seal and open of 16 KiB in place, the least that any encrypted
/// stream must do.
struct SessionThroughput {
  static let chunkBytes = 16 * 1024
  /// What the publisher grants on results, for one.
  static let windowBytes = 262_144

  private let totalBytes: Int
  private let pair: SessionPair
  private let bare = BareCipher()

  init(mebibytes: Int) throws {
    totalBytes = mebibytes * 1_048_576
    pair = try SessionPair()
  }

  func measure(_ rounds: Int) throws {
    let contest = Contest(
      stopwatch: .processor, amount: Double(totalBytes) / 1_048_576, unit: "MiB/CPU s")
    let rates = try contest.rates(
      rounds,
      [
        Contestant(name: "session") { try pair.transfer(totalBytes) },
        Contestant(name: "libsodium") { bare.run(totalBytes) },
      ])
    for (subject, rate) in zip(["zennet", "libsodium"], rates) {
      try Row(
        metric: "session throughput (both ends)", subject: subject, value: rate, unit: contest.unit
      ).write()
    }
  }
}

/// Two sessions whose transmissions are handed over in memory, and a stream from the agent's to the
/// publisher's.
private final class SessionPair {
  private var agent: SessionMachine
  private var publisher: SessionMachine
  private var stream = StreamId(raw: 0)
  private var received = 0

  struct Failure: Error { let message: String }

  init() throws {
    let publisherIdentity = Ed25519.KeyPair(seed: Sha256.hash([2]))
    agent = try SessionMachine(
      role: .initiator, identity: Ed25519.KeyPair(seed: Sha256.hash([1])),
      expectedPeer: publisherIdentity.publicKey, ephemeral: Sha256.hash([3]), nowMs: 0)
    publisher = try SessionMachine(
      role: .responder, identity: publisherIdentity, expectedPeer: nil,
      ephemeral: Sha256.hash([4]), nowMs: 0)
    while try exchange() {}
    let opening = StreamOpening(kind: .fileOut)
    guard let id = publisher.open(opening, window: SessionThroughput.windowBytes) else {
      throw Failure(message: "the session is not established")
    }
    stream = id
    while try exchange() {}
  }

  func transfer(_ total: Int) throws {
    let chunk = [UInt8](repeating: 0x5a, count: SessionThroughput.chunkBytes)
    var sent = 0
    received = 0
    while received < total {
      // As much as the session's queue takes; it asks for more when it has room.
      while sent < total {
        let taken = agent.send(stream, chunk, from: sent % chunk.count)
        sent += taken
        if taken == 0 { break }
      }
      if try !exchange() { throw Failure(message: "the stream stands still") }
    }
    if received != total { throw Failure(message: "\(received) bytes came of \(total)") }
  }

  /// Carries out what both ends ask; false when nothing was asked.
  private func exchange() throws -> Bool {
    var moved = false
    while let effect = agent.nextEffect() {
      moved = true
      switch effect {
      case .transmit(let bytes): publisher.received(bytes, nowMs: 0)
      case .failed(let error): throw error
      default: break
      }
      try settlePublisher()
    }
    if try settlePublisher() { moved = true }
    return moved
  }

  @discardableResult
  private func settlePublisher() throws -> Bool {
    var moved = false
    while let effect = publisher.nextEffect() {
      moved = true
      switch effect {
      case .transmit(let bytes): agent.received(bytes, nowMs: 0)
      case .data(let id, let bytes):
        received += bytes.count
        _ = publisher.grant(id, bytes: bytes.count)
      case .failed(let error): throw error
      default: break
      }
    }
    return moved
  }
}

/// libsodium and nothing else.
private final class BareCipher {
  private var buffer = [UInt8](repeating: 0x5a, count: SessionThroughput.chunkBytes + 16)
  private let key = [UInt8](repeating: 7, count: 32)
  private var counter: UInt64 = 0

  func run(_ total: Int) {
    let length = UInt64(SessionThroughput.chunkBytes)
    var nonce = [UInt8](repeating: 0, count: 12)
    for _ in 0..<(total / SessionThroughput.chunkBytes) {
      counter += 1
      withUnsafeBytes(of: counter.littleEndian) { bytes in
        for index in 0..<8 { nonce[4 + index] = bytes[index] }
      }
      let failed = buffer.withUnsafeMutableBufferPointer { buffer -> Int32 in
        let start = buffer.baseAddress!
        crypto_aead_chacha20poly1305_ietf_encrypt(
          start, nil, start, length, nil, 0, nil, nonce, key)
        return crypto_aead_chacha20poly1305_ietf_decrypt(
          start, nil, nil, start, length + 16, nil, 0, nonce, key)
      }
      precondition(failed == 0)
    }
  }
}
