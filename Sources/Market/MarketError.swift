import Bitcoin
import Bytes
import Channel

/// Why a document, a message or a request of the market was refused.
public indirect enum MarketError: Error, Equatable {
  /// The document ends early, goes on too long, or holds a length that is too large.
  case malformed(field: StaticReason, BytesError)
  /// The field that starts at byte `offset` holds what it must not.
  case refused(field: StaticReason, offset: Int, problem: StaticReason)
  /// A field breaks a rule that depends on more than the document itself.
  case unacceptable(field: StaticReason, problem: StaticReason)
  /// A field is not what the document before it promised.
  case differs(field: StaticReason)
  /// The signature of the named document is not its signer's.
  case wrongSignature(StaticReason)
  /// The channel terms that start at byte `offset` are refused.
  case terms(offset: Int, ChannelError)

  /// One line for people.
  public var message: String {
    switch self {
    case .malformed(let field, let error): return field.text + ": " + error.message
    case .refused(let field, let offset, let problem):
      return field.text + ": byte \(offset): " + problem.text
    case .unacceptable(let field, let problem): return field.text + ": " + problem.text
    case .differs(let field): return field.text + " differs from what was agreed"
    case .wrongSignature(let document): return document.text + ": wrong signature"
    case .terms(let offset, let error): return "byte \(offset): " + error.message
    }
  }
}
