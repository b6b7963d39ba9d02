import Bytes
import Market

/// A provider that may be hired.
struct Candidate {
  let call: Call
  let bid: Bid
  let report: [UInt8]
  /// The most that an hour can cost by this side's own rule.
  let worstHourlySat: UInt64

  /// The cheapest first, then the least first payment; among equals the order of identities, which
  /// nobody can choose cheaply.
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
  /// When the first bid came of those that are waited for.
  private var firstAtMs: UInt64?

  /// The window ends early when so many bids a place came.
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

  /// The best for `places` free places, once the window is over; nothing before.
  func best(places: Int, nowMs: UInt64) -> [Candidate] {
    guard let firstAtMs, places > 0 else { return [] }
    if nowMs < firstAtMs + windowMs && candidates.count < places * BidBook.bidsPerPlace {
      return []
    }
    return Array(candidates.values.sorted { $0.isBetter(than: $1) })
  }

  /// When the window is over; nil where it is, or where nobody bid.
  func deadlineMs(nowMs: UInt64) -> UInt64? {
    guard let firstAtMs, firstAtMs + windowMs > nowMs else { return nil }
    return firstAtMs + windowMs
  }
}
