import Bitcoin
import Bytes

/// A request on the status socket: one line.
public enum StatusRequest: Equatable, Sendable {
  /// The line is incomplete.
  case incomplete
  case tooLong
  case json
  case metrics
  /// Any other word: plain text.
  case lines

  public static let maxBytes = 64

  /// Parses all bytes received so far.
  public static func read(_ bytes: [UInt8]) -> StatusRequest {
    if bytes.count > maxBytes { return .tooLong }
    guard let end = bytes.firstIndex(of: 0x0a) else { return .incomplete }
    let word = Array(bytes[..<end])
    if word.isAscii("json") { return .json }
    return word.isAscii("metrics") ? .metrics : .lines
  }
}
