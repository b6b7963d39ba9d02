import Bytes
import Crypto

/// Why something of the Bitcoin protocol was refused.
public indirect enum BitcoinError: Error, Equatable {
  /// Bytes that do not decode.
  case malformed(BytesError)
  /// A key or signature that the curve refuses.
  case crypto(CryptoError)
  /// A rule of the protocol is broken; the text names the rule.
  case invalid(StaticReason)
  /// An address that is wrong at a character, counted from 0.
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

/// A fixed sentence that compares by its text: one word, as there are hundreds of places that name one.
public struct StaticReason: Equatable, @unchecked Sendable, ExpressibleByStringLiteral {
  /// The bytes of a literal, which last as long as the program, and a zero after them.
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

/// Runs a decoder and turns its errors into this module's.
@inline(__always)
func decoding<Value>(
  _ body: () throws(BytesError) -> Value
) throws(BitcoinError) -> Value {
  do { return try body() } catch { throw BitcoinError.malformed(error) }
}
