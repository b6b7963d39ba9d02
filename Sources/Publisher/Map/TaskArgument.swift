/// Replaces `{}` in a command's words by a task's argument.
enum TaskArgument {
  static let mark = "{}"

  /// The command of one task: every `{}` is replaced; without `{}`, the argument is appended as the
  /// last word.
  static func fill(_ command: [String], with argument: String) -> [String] {
    if !command.contains(where: { $0.contains(mark) }) { return command + [argument] }
    return command.map { fill($0, with: argument) }
  }

  static func fill(_ text: String, with argument: String) -> String {
    var filled = ""
    var rest = Substring(text)
    while let place = rest.firstRange(of: mark) {
      filled += rest[..<place.lowerBound] + argument
      rest = rest[place.upperBound...]
    }
    return filled + rest
  }
}
