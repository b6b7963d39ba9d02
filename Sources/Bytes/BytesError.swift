/// Why a byte string could not be read. Every case carries the offset, in bytes from the start of
/// the document, at which reading stopped.
public indirect enum BytesError: Error, Equatable {
  /// `needed` bytes were wanted at `offset`, and the document ended before.
  case truncated(offset: Int, needed: Int)
  /// A length or a count at `offset` is above what this document allows.
  case tooLarge(offset: Int, value: UInt64, limit: UInt64)
  /// An integer at `offset` was not written in its shortest form.
  case nonCanonical(offset: Int)
  /// The document should have ended at `offset`, and goes on.
  case trailing(offset: Int)
  /// The byte or character at `offset` is not one that may stand there.
  case invalid(offset: Int)

  public var offset: Int {
    switch self {
    case .truncated(let offset, _), .tooLarge(let offset, _, _), .nonCanonical(let offset),
      .trailing(let offset), .invalid(let offset):
      return offset
    }
  }

  /// One line for people. Handwritten, as Embedded Swift cannot print an enum by itself.
  public var message: String {
    switch self {
    case .truncated(let offset, let needed):
      return "byte \(offset): ends early, \(needed) more bytes were expected"
    case .tooLarge(let offset, let value, let limit):
      return "byte \(offset): \(value) is above the limit of \(limit)"
    case .nonCanonical(let offset): return "byte \(offset): a number is not in its shortest form"
    case .trailing(let offset): return "byte \(offset): bytes follow the end of the document"
    case .invalid(let offset): return "byte \(offset): not allowed here"
    }
  }
}
