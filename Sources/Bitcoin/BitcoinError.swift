import Bytes
import Crypto

/// Why data of the Bitcoin protocol was refused.
public indirect enum BitcoinError: Error, Equatable {
  /// Bytes that do not decode.
  case malformed(BytesError)
  /// A key or signature that the curve does not allow.
  case crypto(CryptoError)
  /// A broken rule of the protocol; the text names the rule.
  case invalid(StaticReason)
  /// An invalid address, with the position of the wrong character, counted from 0.
  case address(at: Int, StaticReason)

  public var message: String {
    switch self {
    case .malformed(let error): return error.message
    case .crypto(let error): return error.message
    case .invalid(let reason): return reason.text
    case .address(let position, let reason):
      return "address, character \(position + 1): " + reason.text
    }
  }
}

/// A fixed text, compared by content. One word in size, because hundreds of places name one.
public struct StaticReason: Equatable, @unchecked Sendable, ExpressibleByStringLiteral {
  /// The bytes of a literal, which are never freed, with a terminating zero.
  private let start: UnsafePointer<UInt8>

  public init(stringLiteral text: StaticString) { start = text.utf8Start }

  public var text: String {
    var bytes: [UInt8] = []
    var next = start
    while next.pointee != 0 {
      bytes.append(next.pointee)
      next += 1
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  public static func == (left: StaticReason, right: StaticReason) -> Bool {
    Array(left.text.utf8) == Array(right.text.utf8)
  }
}

/// Runs a decoder and converts its errors to this module's.
@inline(__always)
func decoding<Value>(
  _ body: () throws(BytesError) -> Value
) throws(BitcoinError) -> Value {
  do { return try body() } catch { throw BitcoinError.malformed(error) }
}
