import Bitcoin
import Bytes

/// The state of a channel's funding output on the best chain; the same for both sides.
enum ChannelCoins: Equatable, Sendable {
  /// The funding is in no block.
  case unconfirmed
  /// The funding is in the block at `height`, and its output is unspent.
  case confirmed(height: UInt32)
  /// The block at `height` holds another transaction, `by`, that spends one of the funding's
  /// inputs: the channel does not exist, unless that block leaves the chain.
  case conflicted(by: Bytes32, height: UInt32)
  /// The coins left the channel in the block at `height`. `fundingHeight` is nil if the caller did
  /// not report the funding's block.
  case spent(ChannelSpend, height: UInt32, fundingHeight: UInt32?)

  /// The block that holds the funding; nil while none does.
  var fundingHeight: UInt32? {
    switch self {
    case .unconfirmed, .conflicted: return nil
    case .confirmed(let height): return height
    case .spent(_, _, let fundingHeight): return fundingHeight
    }
  }

  var spend: ChannelSpend? {
    if case .spent(let spend, _, _) = self { return spend }
    return nil
  }

  var spendHeight: UInt32? {
    if case .spent(_, let height, _) = self { return height }
    return nil
  }

  /// Whether payments through the channel can still be collected.
  func checkUsable() throws(ChannelError) {
    switch self {
    case .unconfirmed, .confirmed: return
    case .conflicted:
      throw ChannelError.wrongPhase("another transaction spent an input of the funding")
    case .spent: throw ChannelError.wrongPhase("the channel is spent")
    }
  }

  // MARK: Changes; each returns whether anything is new

  /// A block of the best chain at `height` holds the funding.
  mutating func fundingSeen(height: UInt32) -> Bool {
    if fundingHeight == height { return false }
    if case .spent(let spend, let spendHeight, _) = self {
      self = .spent(spend, height: spendHeight, fundingHeight: height)
    } else {
      self = .confirmed(height: height)
    }
    return true
  }

  /// A block of the best chain at `height` holds a transaction that spends the funding's inputs.
  /// Ignored while the chain holds the funding, because both cannot be in one chain.
  mutating func conflictSeen(by txid: Bytes32, height: UInt32) -> Bool {
    switch self {
    case .unconfirmed:
      self = .conflicted(by: txid, height: height)
      return true
    case .confirmed, .conflicted, .spent: return false
    }
  }

  /// A block of the best chain at `height` holds `spend`.
  mutating func spendSeen(_ spend: ChannelSpend, height: UInt32) -> Bool {
    let next = ChannelCoins.spent(spend, height: height, fundingHeight: fundingHeight)
    if next == self { return false }
    self = next
    return true
  }

  /// The blocks from `height` on left the best chain. Returns which of the two blocks were among
  /// them.
  mutating func disconnected(fromHeight height: UInt32) -> Lost {
    switch self {
    case .unconfirmed: return Lost(funding: false, other: false)
    case .confirmed(let funded):
      if funded < height { return Lost(funding: false, other: false) }
      self = .unconfirmed
      return Lost(funding: true, other: false)
    case .conflicted(_, let conflicted):
      if conflicted < height { return Lost(funding: false, other: false) }
      self = .unconfirmed
      return Lost(funding: false, other: true)
    case .spent(_, let spent, let funded):
      if spent < height { return Lost(funding: false, other: false) }
      guard let funded, funded < height else {
        self = .unconfirmed
        return Lost(funding: funded != nil, other: true)
      }
      self = .confirmed(height: funded)
      return Lost(funding: false, other: true)
    }
  }

  struct Lost {
    /// The block of the funding.
    var funding: Bool
    /// The block of the spend, or of what conflicted with the funding.
    var other: Bool
    var any: Bool { funding || other }
  }

  // MARK: Encoding within a stored state

  func encode(to writer: inout ByteWriter) {
    switch self {
    case .unconfirmed: writer.u8(0)
    case .confirmed(let height):
      writer.u8(1)
      writer.u32le(height)
    case .conflicted(let txid, let height):
      writer.u8(2)
      writer.append(txid)
      writer.u32le(height)
    case .spent(let spend, let height, let fundingHeight):
      writer.u8(fundingHeight == nil ? 3 : 4)
      spend.encode(to: &writer)
      writer.u32le(height)
      if let fundingHeight { writer.u32le(fundingHeight) }
    }
  }

  static func decode(_ reader: inout ByteReader) throws(BytesError) -> ChannelCoins {
    let start = reader.offset
    let kind = try reader.u8()
    switch kind {
    case 0: return .unconfirmed
    case 1: return .confirmed(height: try reader.u32le())
    case 2: return .conflicted(by: try reader.bytes32(), height: try reader.u32le())
    case 3, 4:
      let spend = try ChannelSpend.decode(&reader)
      let height = try reader.u32le()
      return .spent(spend, height: height, fundingHeight: kind == 4 ? try reader.u32le() : nil)
    default: throw BytesError.invalid(offset: start)
    }
  }
}
