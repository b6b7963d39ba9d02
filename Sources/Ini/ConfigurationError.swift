/// Why a configuration cannot be used: the place, the key, and the reason with the remedy.
public struct ConfigurationError: Error, Equatable {
  public let file: String
  /// Counted from 1; 0 if no single line is at fault (a missing key).
  public let line: Int
  /// `section.key`, or empty if the line is not a key.
  public let key: String
  public let reason: String

  public init(file: String, line: Int, key: String, reason: String) {
    self.file = file
    self.line = line
    self.key = key
    self.reason = reason
  }

  /// `zennet.conf:12: price.hour_sat: not a whole number`
  public var message: String {
    var text = file
    if line > 0 { text += ":" + String(line) }
    if !key.isEmpty { text += ": " + key }
    return text + ": " + reason
  }

  public static func == (left: ConfigurationError, right: ConfigurationError) -> Bool {
    left.line == right.line && Array(left.message.utf8) == Array(right.message.utf8)
  }
}
