import Bitcoin
import Bytes
import Crypto

/// Why a channel refused an operation. A refused operation leaves the channel unchanged.
public indirect enum ChannelError: Error, Equatable, Sendable {
  /// Bytes that do not decode; the offset counts from the start of the document read.
  case malformed(BytesError)
  /// A field of the terms is outside its allowed range.
  case terms(field: StaticReason, problem: StaticReason)
  /// A secret key is invalid or does not belong to the public key in the terms.
  case wrongSecret
  /// The funding transaction does not meet the terms.
  case funding(StaticReason)
  /// The expiry is `actual` blocks away; the policy needs at least `least`.
  case expiryTooNear(least: UInt32, actual: UInt32)
  /// The contract closes the channel `actual` blocks before its expiry; the policy needs at least
  /// `least`.
  case closeMarginTooShort(least: UInt32, actual: UInt32)
  /// A payment of `offered` sat, after one of `paid` sat.
  case amountShrinks(paidSat: UInt64, offeredSat: UInt64)
  /// An amount above what can be paid through the channel.
  case aboveCapacity(maxPayableSat: UInt64, offeredSat: UInt64)
  /// A sequence number that is not above the last one.
  case staleSequence(last: UInt64, offered: UInt64)
  /// A payment below the dust limit, which no close could pay out.
  case belowLeastPayable(leastSat: UInt64, offeredSat: UInt64)
  /// The signature at this rung of the fee ladder is missing, superfluous or wrong.
  case wrongSignature(rung: Int)
  /// The provider's signatures are over a close of another amount than the publisher's books have.
  case closeDiffers(expectedSat: UInt64, offeredSat: UInt64)
  /// There is nothing to close with: no payment, or none of the provider's signatures.
  case nothingToCollect
  /// The operation does not fit the channel's phase.
  case wrongPhase(StaticReason)
  /// The refund is not allowed below `expiryHeight`.
  case refundTooEarly(expiryHeight: UInt32)
  /// After the fee at this rate the refund would be dust.
  case refundIsDust
  /// Stored state whose digest does not match.
  case damagedState
  /// Stored state of a version that this program does not read.
  case unknownVersion(UInt8)

  /// The message, one line.
  public var message: String {
    switch self {
    case .malformed(let error): return error.message
    case .terms(let field, let problem): return "channel terms: \(field.text): \(problem.text)"
    case .wrongSecret: return "the secret key does not belong to this channel"
    case .funding(let reason): return "funding: " + reason.text
    case .expiryTooNear(let least, let actual):
      return "the channel expires in \(actual) blocks, at least \(least) are needed"
    case .amountShrinks(let paidSat, let offeredSat):
      return "payment of \(offeredSat) sat is below the \(paidSat) sat paid before"
    case .closeMarginTooShort(let least, let actual):
      return "the channel closes \(actual) blocks before it expires, at least \(least) are needed"
    case .aboveCapacity(let maxPayableSat, let offeredSat):
      return "payment of \(offeredSat) sat is above the \(maxPayableSat) sat that can be paid"
    case .staleSequence(let last, let offered):
      return "payment number \(offered) does not follow number \(last)"
    case .belowLeastPayable(let leastSat, let offeredSat):
      return "payment of \(offeredSat) sat cannot be collected: the least is \(leastSat) sat"
    case .wrongSignature(let rung): return "wrong signature at rung \(rung) of the fee ladder"
    case .nothingToCollect: return "there is no payment or signature to close the channel with"
    case .closeDiffers(let expectedSat, let offeredSat):
      return "the close pays \(offeredSat) sat, \(expectedSat) sat were expected"
    case .wrongPhase(let reason): return reason.text
    case .refundTooEarly(let expiryHeight):
      return "the refund must wait for block \(expiryHeight)"
    case .refundIsDust: return "the refund would be dust after its fee"
    case .damagedState: return "the stored channel state is damaged"
    case .unknownVersion(let version):
      return "the stored channel state is of version \(version), which this program does not read"
    }
  }
}

/// Runs a decoder and converts its errors to this module's.
@inline(__always)
func decoding<Value>(
  _ body: () throws(BytesError) -> Value
) throws(ChannelError) -> Value {
  do { return try body() } catch { throw ChannelError.malformed(error) }
}
