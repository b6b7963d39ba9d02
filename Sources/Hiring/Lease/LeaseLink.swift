import Bytes
import Market
import Session

/// The connection on which a provider works on its lease, while there is one. It carries messages once
/// both sides know where the other stands; what is not said before is said then.
final class LeaseLink {
  private(set) var call: Call?
  private(set) var isLive = false
  private(set) var connectedAtMs: UInt64 = 0

  /// - Parameter isLive: a connection on which the contract itself is made needs no comparison first.
  func connect(_ call: Call, isLive: Bool, nowMs: UInt64) {
    self.call = call
    self.isLive = isLive
    connectedAtMs = nowMs
  }

  /// The other side's state came.
  func compared() { isLive = call != nil }

  func disconnect() {
    call = nil
    isLive = false
  }

  var isConnected: Bool { call != nil }
  var takesMore: Bool { isLive && call?.takesMore == true }

  /// Nothing is said while the two sides do not know where the other stands.
  func say(_ message: SessionMessage) { if isLive { call?.say(message) } }

  /// Before the comparison too.
  func sayFirst(_ message: SessionMessage) { call?.say(message) }

  func refuse(_ code: RefusalCode, _ reason: String) { call?.refuse(code, reason) }
  func close() { call?.close() }

  func open(_ opening: StreamOpening, window: Int = 0) -> StreamId? {
    isLive ? call?.open(opening, window: window) : nil
  }

  func send(_ id: StreamId, _ bytes: [UInt8]) -> Int { call?.send(id, bytes) ?? 0 }
  func grant(_ id: StreamId, bytes: Int) { call?.grant(id, bytes: bytes) }
  func endStream(_ id: StreamId) { call?.endStream(id) }
  func resetStream(_ id: StreamId) { call?.resetStream(id) }
}
