import CHost

@testable import Sandbox

/// What is taken away from a sandbox, and what tells.
struct Wall {
  let name: String
  var missing: Missing
  let told: Told
  /// Tried with this wall missing; empty: all that may be.
  var attempts: [String] = []
  /// Walls of one group are taken away together: what tells of one has nothing to do with the others.
  var group: String {
    if case .no = told { return "no" }
    return cover.map { "covers \($0 % 2)" } ?? name
  }
  /// Of what covers a part of /proc: which. Every other one is taken away, then the rest, and those that
  /// stay tell nothing.
  var cover: Int?

  enum Told {
    /// The answers of at least these change.
    case by([String])
    /// The sandbox does not come to be: nobody is ever behind it without this wall.
    case noStart
    /// No attempt alone, as another wall stands behind this one; with both away, these do.
    case behind(Missing, [String])
    /// No attempt, and it is not against the job: why it is there.
    case no(String)
  }

  init(_ name: String, _ told: Told, only attempts: [String] = []) {
    self.init(name, Missing(steps: [name]), told, only: attempts)
  }

  init(_ name: String, _ missing: Missing, _ told: Told, only attempts: [String] = []) {
    self.name = name
    self.missing = missing
    self.told = told
    self.attempts = attempts
  }
}

struct Missing {
  /// Names of steps; of those with the same name the second is `name#2`.
  var steps: [String] = []
  /// Steps that may fail.
  var optional: [String] = []
  /// Flags of the step "namespaces".
  var namespaces: UInt64 = 0
  /// Let through by the filter.
  var calls: [Call] = []
  /// Files of the job's cgroups and what says "no limit" in version 1; version 2 says `max`.
  var limits: [String] = []

  /// A system call; with an argument only where its lower half has this value.
  struct Call {
    var name: String
    var argument: UInt32?
    var value: UInt32 = 0
  }

  static func call(_ names: String...) -> Missing {
    Missing(calls: names.map { Call(name: $0) })
  }

  static func call(_ name: String, _ argument: UInt32, _ value: UInt32) -> Missing {
    Missing(calls: [Call(name: name, argument: argument, value: value)])
  }

  static func + (one: Missing, other: Missing) -> Missing {
    Missing(
      steps: one.steps + other.steps, optional: one.optional + other.optional,
      namespaces: one.namespaces | other.namespaces,
      calls: one.calls + other.calls, limits: one.limits + other.limits)
  }

  /// `filter` with an answer for these calls before all others.
  func opened(_ filter: [UInt8], number: (String) -> UInt32) -> [UInt8] {
    var program: [UInt8] = []
    for call in calls {
      FilterLookup.append(&program, 0x20, operand: 0)
      FilterLookup.append(
        &program, 0x15, no: call.argument == nil ? 1 : 3, operand: number(call.name))
      if let argument = call.argument {
        FilterLookup.append(&program, 0x20, operand: 16 + 8 * argument)
        FilterLookup.append(&program, 0x15, no: 1, operand: call.value)
      }
      FilterLookup.append(&program, 0x06, operand: FilterJudge.allow)
    }
    return program + filter
  }

  /// - Parameter names: of all steps, as ``numbered(_:)`` has them.
  func take(from plan: inout EncodedSteps, names: [String]) {
    for (index, name) in names.enumerated() {
      if name == "namespaces" { plan.steps[index].a &= ~namespaces }
      if optional.contains(name) { plan.steps[index].optional = 1 }
    }
    for index in names.indices.reversed() where steps.contains(names[index]) {
      plan.steps.remove(at: index)
    }
  }

  static func numbered(_ names: [String]) -> [String] {
    var seen: [String: Int] = [:]
    return names.map { name in
      seen[name, default: 0] += 1
      return seen[name]! == 1 ? name : "\(name)#\(seen[name]!)"
    }
  }
}

/// What would act on this machine if it succeeded, and so is never tried with a wall missing. The walls that
/// are in its way tell by something harmless.
let leftOut: [String: String] = [
  "reboot": "turns the machine's reboot key off",
  "kexec": "forgets the kernel that was loaded for a crash",
  "clock-settime": "sets the machine's clock to 1970",
  "settimeofday": "sets the machine's clock to 1970",
  "adjtimex": "changes the speed of the machine's clock",
  "clock-adjtime": "changes the speed of the machine's clock",
  "sysctl-core-pattern": "names the program that the kernel starts for crashes",
  "sysctl-forward": "makes the machine a router",
  "core-dump": "the kernel would start the owner's program for crashes",
  "swapon": "changes where the machine swaps",
  "swapoff": "changes where the machine swaps",
  "acct": "the kernel would keep accounts of the machine's processes",
  "init-module": "the kernel's own code",
  "finit-module": "the kernel's own code",
  "delete-module": "the kernel's own code",
  "ports": "the machine's devices",
  "port": "the machine's devices",
  "remove-device": "removes the machine's /dev/null",
  "vhangup": "hangs up the terminal that the tests run on",
]

/// What is never taken away, not even alone, where the one who builds the walls is the machine's root: he
/// would do it to the machine.
let neverMissing: [String: String] = [
  "namespaces": "both of these",
  "namespaces (mount)":
    "the walls' own mounts, and another root, would be those of whoever started them",
  "namespaces (pid)": "at the job's end process 1 kills every process that it sees",
]
