/// Why a cryptographic operation failed. Never contains secret material.
public enum CryptoError: Error, Equatable {
  /// A key, a point or a scalar is not valid for its curve.
  case invalidKey
  /// An authentication tag does not match: the bytes were changed, or the key is wrong.
  case notAuthentic
  /// An argument has the wrong number of bytes.
  case wrongLength(expected: Int, actual: Int)

  public var message: String {
    switch self {
    case .invalidKey: return "not a valid key"
    case .notAuthentic: return "authentication failed"
    case .wrongLength(let expected, let actual):
      return "\(expected) bytes were expected, not \(actual)"
    }
  }
}
