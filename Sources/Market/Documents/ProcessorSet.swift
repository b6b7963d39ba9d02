import Bitcoin

/// The kinds of processor that a job has programs for, or that a machine can run.
public struct ProcessorSet: OptionSet, Equatable, Sendable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  // The name that everybody uses.
  // swift-format-ignore: AlwaysUseLowerCamelCase
  public static let x86_64 = ProcessorSet(rawValue: 1 << 0)
  public static let i686 = ProcessorSet(rawValue: 1 << 1)
  public static let armv6 = ProcessorSet(rawValue: 1 << 2)
  public static let armv7 = ProcessorSet(rawValue: 1 << 3)
  public static let aarch64 = ProcessorSet(rawValue: 1 << 4)
  public static let riscv64 = ProcessorSet(rawValue: 1 << 5)

  public static let all: ProcessorSet = [x86_64, i686, armv6, armv7, aarch64, riscv64]

  private static let named: [(ProcessorSet, String)] = [
    (.x86_64, "x86_64"), (.i686, "i686"), (.armv6, "armv6"), (.armv7, "armv7"),
    (.aarch64, "aarch64"), (.riscv64, "riscv64"),
  ]

  /// The set of one processor name; nil for an unknown one.
  public init?(name: String) {
    for (set, known) in ProcessorSet.named where Array(known.utf8) == Array(name.utf8) {
      self = set
      return
    }
    return nil
  }

  /// What an agent runs jobs for whose programs are of this architecture, as uname(2) names it: its own kind,
  /// and older ones of its family. No programs of 32 bits beside one of 64: the sandbox's filter knows the
  /// calls of one architecture.
  public init(architecture: String) {
    switch architecture {
    case "x86_64": self = .x86_64
    case "i386", "i486", "i586", "i686": self = .i686
    case "aarch64": self = .aarch64
    case "armv7l", "armv8l": self = [.armv7, .armv6]
    case "armv6l": self = .armv6
    case "riscv64": self = .riscv64
    default: self = []
    }
  }

  /// Names in a fixed order; bits that this version does not know are left out.
  public var names: [String] {
    var names: [String] = []
    for (set, name) in ProcessorSet.named where contains(set) { names.append(name) }
    return names
  }

  public var text: String {
    var text = ""
    for name in names { text += (text.utf8.isEmpty ? "" : " ") + name }
    return text
  }
}

/// How well the publisher wants its job to be walled in. A machine's own level must be at least
/// this; `any` leaves it to the machine, which never runs a job without walls.
public enum IsolationWanted: UInt8, Equatable, Sendable {
  case any = 0
  case reduced = 1
  case full = 2

  public var text: String {
    switch self {
    case .any: return "any"
    case .reduced: return "reduced"
    case .full: return "full"
    }
  }
}
