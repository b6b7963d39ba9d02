import Bitcoin
import Bytes

/// What a publisher still owes of an earlier lease. Where both ledgers hold it, the next contract names
/// it, and it is the first thing owed there.
public struct Debt: Equatable, Sendable {
  /// The contract's id.
  public var lease: Bytes32
  public var amountSat: UInt64

  public init(lease: Bytes32, amountSat: UInt64) {
    self.lease = lease
    self.amountSat = amountSat
  }

  /// Zeros where there is none.
  static func encode(_ debt: Debt?, to writer: inout ByteWriter) {
    writer.append(debt?.lease ?? .zero)
    writer.u64le(debt?.amountSat ?? 0)
  }

  static func decode(_ reader: inout DocumentReader) throws(MarketError) -> Debt? {
    let start = reader.offset
    let debt = Debt(
      lease: try reader.bytes32("debt's lease"),
      amountSat: try reader.u64("debt", 0...Amount.maxSat))
    if debt.lease.isZero != (debt.amountSat == 0) {
      throw reader.refuse("debt", at: start, "a lease without an amount, or the reverse")
    }
    return debt.amountSat == 0 ? nil : debt
  }

  static func write(_ debt: Debt?, to text: inout JsonText) {
    guard let debt else { return }
    text.field("debt_lease", debt.lease.hex)
    text.field("debt_sat", debt.amountSat)
  }
}
