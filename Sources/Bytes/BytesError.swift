/// Why a byte string could not be decoded. Every case has the offset, in bytes from the start of
/// the document, at which decoding stopped.
public indirect enum BytesError: Error, Equatable {
  /// `needed` bytes were expected at `offset`, but the document ends before.
  case truncated(offset: Int, needed: Int)
  /// A length or a count at `offset` exceeds the limit.
  case tooLarge(offset: Int, value: UInt64, limit: UInt64)
  /// An integer at `offset` is not in its shortest form.
  case nonCanonical(offset: Int)
  /// The document should end at `offset`, but continues.
  case trailing(offset: Int)
  /// The byte or character at `offset` is not allowed there.
  case invalid(offset: Int)

  public var offset: Int {
    switch self {
    case .truncated(let offset, _), .tooLarge(let offset, _, _), .nonCanonical(let offset),
      .trailing(let offset), .invalid(let offset):
      return offset
    }
  }

  /// The message, one line. Written by hand, because Embedded Swift cannot print an enum.
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
