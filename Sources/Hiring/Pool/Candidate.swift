import Bytes
import Market

/// A provider that may be hired.
struct Candidate {
  let call: Call
  let bid: Bid
  let report: [UInt8]
  /// The publisher's own computation of the most that an hour can cost.
  let worstHourlySat: UInt64

  /// Orders by hourly price, then by first payment, then by identity, which is costly to choose.
  func isBetter(than other: Candidate) -> Bool {
    if worstHourlySat != other.worstHourlySat { return worstHourlySat < other.worstHourlySat }
    if bid.firstPaymentSat != other.bid.firstPaymentSat {
      return bid.firstPaymentSat < other.bid.firstPaymentSat
    }
    return bid.provider < other.bid.provider
  }
}

/// The bids for a pool's free places.
struct BidBook {
  private let windowMs: UInt64
  private var candidates: [CallKey: Candidate] = [:]
  /// When the first waiting bid arrived.
  private var firstAtMs: UInt64?

  /// The window ends early at this many bids per free place.
  private static let bidsPerPlace = 3

  init(windowMs: UInt64) { self.windowMs = windowMs }

  var isEmpty: Bool { candidates.isEmpty }
  var all: [Candidate] {
    candidates.values.sorted { $0.call.key.value < $1.call.key.value }
  }

  mutating func add(_ candidate: Candidate, nowMs: UInt64) {
    candidates[candidate.call.key] = candidate
    if firstAtMs == nil { firstAtMs = nowMs }
  }

  mutating func remove(_ call: Call) {
    candidates[call.key] = nil
    if candidates.isEmpty { firstAtMs = nil }
  }

  func call(of provider: Bytes32) -> Call? {
    candidates.values.first { $0.bid.provider == provider }?.call
  }

  /// All candidates, the best first, once the window for `places` free places is over; empty
  /// before.
  func best(places: Int, nowMs: UInt64) -> [Candidate] {
    guard let firstAtMs, places > 0 else { return [] }
    if nowMs < firstAtMs + windowMs && candidates.count < places * BidBook.bidsPerPlace {
      return []
    }
    return Array(candidates.values.sorted { $0.isBetter(than: $1) })
  }

  /// When the window ends; nil if it has ended or there is no bid.
  func deadlineMs(nowMs: UInt64) -> UInt64? {
    guard let firstAtMs, firstAtMs + windowMs > nowMs else { return nil }
    return firstAtMs + windowMs
  }
}
