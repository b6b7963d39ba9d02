import CHost

/// One thing done on the way from the agent to the job, encoded for C: between fork and exec no Swift
/// may run. See `enum host_operation` in sandbox.h for what the fields mean to each operation.
struct Step {
  /// For people, when the step fails.
  var name: String
  var operation: UInt32
  var phase: UInt32
  var isOptional = false
  var path = ""
  var source = ""
  var type = ""
  var text = ""
  /// Instead of `path`: a BPF program, or texts that each end in a zero byte.
  var data: [UInt8] = []
  var a: UInt64 = 0
  var b: UInt64 = 0

  init(_ name: String, _ operation: host_operation, _ phase: host_phase) {
    self.name = name
    self.operation = operation.rawValue
    self.phase = phase.rawValue
  }

  /// Its failure does not matter: the kernel is too old to have what is switched off here.
  var optional: Step {
    var step = self
    step.isOptional = true
    return step
  }

  // The shapes that most steps have.

  static func mount(
    _ source: String, on target: String, type: String = "", flags: UInt64, options: String = ""
  ) -> Step {
    var step = Step("mount " + target, HOST_MOUNT, HOST_PHASE_INNER)
    step.path = target
    step.source = source
    step.type = type
    step.text = options
    step.a = flags
    return step
  }

  static func makeDirectory(_ path: String, owner: UInt32 = 0) -> Step {
    var step = Step("mkdir " + path, HOST_MAKE_DIRECTORY, HOST_PHASE_INNER)
    step.path = path
    step.a = 0o755
    step.b = UInt64(owner)
    return step
  }

  static func makeFile(_ path: String) -> Step {
    var step = Step("make " + path, HOST_MAKE_FILE, HOST_PHASE_INNER)
    step.path = path
    return step
  }

  static func write(_ path: String, _ text: String, _ phase: host_phase) -> Step {
    var step = Step("write " + path, HOST_WRITE_FILE, phase)
    step.path = path
    step.text = text
    return step
  }
}

/// MS_* of mount(2).
enum MountFlag {
  static let readOnly: UInt64 = 1
  static let noSuid: UInt64 = 2
  static let noDevices: UInt64 = 4
  static let noExecute: UInt64 = 8
  static let remount: UInt64 = 32
  static let bind: UInt64 = 4096
  static let recursive: UInt64 = 16384
  static let isPrivate: UInt64 = 1 << 18
}

/// The steps as the flat arrays that C reads.
struct EncodedSteps {
  /// Written only by the tests that take walls away.
  var steps: [host_step] = []
  private(set) var arena: [UInt8] = [0]

  init(_ list: [Step] = []) {
    for step in list {
      var encoded = host_step()
      encoded.operation = step.operation
      encoded.phase = step.phase
      encoded.optional = step.isOptional ? 1 : 0
      encoded.path = step.data.isEmpty ? add(step.path) : add(step.data)
      encoded.source = add(step.source)
      encoded.type = add(step.type)
      encoded.text = add(step.text)
      encoded.a = step.a
      encoded.b = step.b
      steps.append(encoded)
    }
  }

  mutating func reserve(steps count: Int, arena size: Int) {
    steps.reserveCapacity(count)
    arena.reserveCapacity(size)
  }

  /// These steps, then those of `other`.
  mutating func append(_ other: EncodedSteps) {
    align()
    let base = UInt32(arena.count)
    arena += other.arena
    for var step in other.steps {
      if step.path != 0 { step.path += base }
      if step.source != 0 { step.source += base }
      if step.type != 0 { step.type += base }
      if step.text != 0 { step.text += base }
      steps.append(step)
    }
  }

  /// `plan` with these steps, for as long as `body` runs.
  func withPlan<Result>(
    _ plan: inout host_plan,
    _ body: (UnsafePointer<host_plan>) throws(SandboxError) -> Result
  ) throws(SandboxError) -> Result {
    try steps.withUnsafeBufferPointer { (steps) throws(SandboxError) in
      try arena.withUnsafeBufferPointer { (arena) throws(SandboxError) in
        plan.steps = steps.baseAddress
        plan.count = UInt32(steps.count)
        plan.arena = arena.baseAddress
        plan.arena_size = UInt32(arena.count)
        return try body(&plan)
      }
    }
  }

  private mutating func add(_ text: String) -> UInt32 {
    if text.utf8.isEmpty { return 0 }
    let offset = arena.count
    arena.append(contentsOf: text.utf8)
    arena.append(0)
    return UInt32(offset)
  }

  /// BPF instructions want an aligned address.
  private mutating func align() {
    while arena.count % 8 != 0 { arena.append(0) }
  }

  private mutating func add(_ data: [UInt8]) -> UInt32 {
    align()
    let offset = arena.count
    arena.append(contentsOf: data)
    arena.append(0)
    return UInt32(offset)
  }
}
