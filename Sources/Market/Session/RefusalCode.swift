/// Why one side refuses to go on. The text beside it gives the numbers.
public enum RefusalCode: UInt8, Equatable, Sendable, CaseIterable {
  /// The message does not decode, or makes no sense now.
  case badMessage = 0
  /// The announcement, offer, bid, contract or order is not acceptable.
  case unacceptable = 1
  /// The other end lacks a version or a feature that this end needs.
  case version = 2
  /// The price is above the ceiling, or below what the owner asks.
  case price = 3
  case memory = 4
  case processors = 5
  case processes = 6
  case disk = 7
  case isolation = 8
  /// The loss that one side would have to risk.
  case risk = 9
  /// The channel's lifetime, ladder or depth.
  case channel = 10
  /// A debt of an earlier lease that only one ledger holds.
  case debt = 11
  /// No place is free: enough workers are hired, or the machine is in use.
  case busy = 12
  /// The lease is not known here.
  case unknownLease = 13
  /// A bundle is not what its digest says.
  case bundle = 14
  /// A funding or a payment is not what the contract says.
  case money = 15
  /// A fault on the refusing side.
  case internalFault = 16

  /// One word, for histograms of reasons.
  public var text: String {
    switch self {
    case .badMessage: return "bad-message"
    case .unacceptable: return "unacceptable"
    case .version: return "version"
    case .price: return "price"
    case .memory: return "memory"
    case .processors: return "processors"
    case .processes: return "processes"
    case .disk: return "disk"
    case .isolation: return "isolation"
    case .risk: return "risk"
    case .channel: return "channel"
    case .debt: return "debt"
    case .busy: return "busy"
    case .unknownLease: return "unknown-lease"
    case .bundle: return "bundle"
    case .money: return "money"
    case .internalFault: return "internal-fault"
    }
  }
}
