import Bytes
import Market
import Session

/// The lease's connection, while there is one. It carries messages once both sides have exchanged
/// lease states; until then, messages are dropped, and resent after the exchange.
final class LeaseLink {
  private(set) var call: Call?
  private(set) var isLive = false
  private(set) var connectedAtMs: UInt64 = 0

  /// - Parameter isLive: true for the connection on which the contract is made, which needs no
  ///   exchange of lease states.
  func connect(_ call: Call, isLive: Bool, nowMs: UInt64) {
    self.call = call
    self.isLive = isLive
    connectedAtMs = nowMs
  }

  /// The provider's lease state arrived.
  func compared() { isLive = call != nil }

  func disconnect() {
    call = nil
    isLive = false
  }

  var isConnected: Bool { call != nil }
  var takesMore: Bool { isLive && call?.takesMore == true }

  /// Sends a message; drops it before the exchange of lease states.
  func say(_ message: SessionMessage) { if isLive { call?.say(message) } }

  /// Sends a message even before the exchange.
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
