import Host

/// Parses the words of the command line.
struct Arguments {
  private var words: [String]
  private var position = 0

  init(_ words: [String]) { self.words = words }

  mutating func next() -> String? {
    if position >= words.count { return nil }
    position += 1
    return words[position - 1]
  }

  /// Removes `name VALUE` or `name=VALUE` from the remaining words and returns the value.
  mutating func option(_ name: String) -> String? {
    var index = position
    while index < words.count {
      let word = Array(words[index].utf8)
      let prefix = Array(name.utf8)
      if word == prefix {
        if index + 1 >= words.count { Output.fail(.usage, name + " needs a value") }
        let value = words[index + 1]
        words.removeSubrange(index...(index + 1))
        return value
      }
      if word.count > prefix.count && Array(word[0..<prefix.count]) == prefix
        && word[prefix.count] == 0x3d
      {
        words.remove(at: index)
        return String(decoding: word[(prefix.count + 1)...], as: UTF8.self)
      }
      index += 1
    }
    return nil
  }

  /// Removes `name` from the remaining words; returns whether it was present.
  mutating func flag(_ name: String) -> Bool {
    var index = position
    while index < words.count {
      if words[index] == name {
        words.remove(at: index)
        return true
      }
      index += 1
    }
    return false
  }

  /// Fails if words are left.
  mutating func finish() {
    if let word = next() {
      Output.fail(.usage, "unknown argument '" + word + "'; see 'zennet-agent help'")
    }
  }
}

/// The command line without the program's name.
enum CommandLineWords {
  static func all() -> [String] { HostProcess.arguments }
}
