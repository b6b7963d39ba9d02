import Bitcoin
import Bytes

/// What somebody wants who connects to the status socket: one line.
public enum StatusRequest: Equatable, Sendable {
  /// The line has not ended.
  case incomplete
  case tooLong
  case json
  case metrics
  /// Anything else: text for people.
  case lines

  public static let maxBytes = 64

  /// Of all that came so far.
  public static func read(_ bytes: [UInt8]) -> StatusRequest {
    if bytes.count > maxBytes { return .tooLong }
    guard let end = bytes.firstIndex(of: 0x0a) else { return .incomplete }
    let word = Array(bytes[..<end])
    if word.isAscii("json") { return .json }
    return word.isAscii("metrics") ? .metrics : .lines
  }
}
