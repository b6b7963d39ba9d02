import Market

/// Why this provider refuses an announcement, an offer or a contract.
struct Refusal: Equatable {
  var code: RefusalCode
  /// The reason, with the values and limits.
  var text: String

  init(_ code: RefusalCode, _ text: String) {
    self.code = code
    self.text = text
  }

  /// The text as sent: at most 256 bytes.
  var bytes: [UInt8] { Array(Array(text.utf8).prefix(Limits.maxTextBytes)) }

  static func == (left: Refusal, right: Refusal) -> Bool {
    left.code == right.code && Array(left.text.utf8) == Array(right.text.utf8)
  }
}
