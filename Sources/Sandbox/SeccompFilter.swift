import CHost
import CSeccomp

/// The system calls that a job may make: an allow list, compiled by libseccomp for this processor.
/// Known calls that are refused fail with EPERM; calls newer than the filter fail with ENOSYS. So does `clone3`,
/// so that the C library falls back to `clone`, whose flags the filter can see. No call kills, because each
/// kill can be a line in the host's log.
enum SeccompFilter {
  private static let allow: UInt32 = 0x7fff_0000
  private static func refuse(_ code: UInt32) -> UInt32 { 0x0005_0000 | code }
  private static let notPermitted: UInt32 = 1
  private static let notImplemented: UInt32 = 38

  /// The filter as BPF instructions, 8 bytes each.
  ///
  /// - Parameter hostDevices: the sandbox has the host's device nodes: see ``Devices``.
  static func program(hostDevices: Bool = false) throws(SandboxError) -> [UInt8] {
    var plain: [UInt32] = []
    let rest = try judging { (filter) throws(SandboxError) in
      for name in SystemCalls.allowed where !hostDevices || !SystemCalls.isPart(name) {
        let number = resolve(name)
        if number >= 0 { plain.append(UInt32(number)) } else { try add(filter, name, allow, []) }
      }
    }
    guard
      let program = FilterLookup.program(
        architecture: seccomp_arch_native(), allowed: plain,
        rest: FilterExceptions.program(hostDevices: hostDevices, number: resolve) + rest)
    else { throw SandboxError.system("seccomp ranges", code: 7) }
    return program
  }

  /// The same with a rule of libseccomp's for each call, which the tests compare it with.
  static func ruleByRule() throws(SandboxError) -> [UInt8] {
    try judging { (filter) throws(SandboxError) in
      for name in SystemCalls.allowed { try add(filter, name, allow, []) }
    }
  }

  /// libseccomp's program of `rules` and of those that look at arguments.
  private static func judging(
    _ rules: (scmp_filter_ctx) throws(SandboxError) -> Void
  ) throws(SandboxError) -> [UInt8] {
    guard let filter = seccomp_init(refuse(notPermitted)) else {
      throw SandboxError.system("seccomp_init", code: 12)
    }
    defer { seccomp_release(filter) }
    // A tree instead of a list (libseccomp 2.5). An older library keeps its list.
    _ = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2)
    // Calls of another architecture, as `int 0x80` on x86_64.
    _ = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, refuse(notImplemented))
    try rules(filter)
    try add(filter, "clone3", refuse(notImplemented), [])
    // How many there can be is counted for the whole machine: fs.aio-max-nr.
    try add(filter, "io_setup", refuse(notImplemented), [])
    // Programs then try prctl(2), which fails as on a kernel without filters.
    try add(filter, "seccomp", refuse(notImplemented), [])
    // Everything that a job has is in memory; what would be written are the owner's files. It is told
    // that it was done.
    try add(filter, "sync", refuse(0), [])
    try addConditional(filter)
    return try export(filter)
  }

  private static func addConditional(_ filter: scmp_filter_ctx) throws(SandboxError) {
    // No new namespaces: none of the CLONE_NEW* flags.
    try add(filter, "clone", allow, [compare(0, SCMP_CMP_MASKED_EQ, 0x7e02_0000, 0)])
    for persona: UInt64 in [0, 0x8, 0x20000, 0x20008, 0xffff_ffff] {
      try add(filter, "personality", allow, [compare(0, SCMP_CMP_EQ, persona, 0)])
    }
  }

  private static func compare(
    _ argument: UInt32, _ operation: scmp_compare, _ first: UInt64, _ second: UInt64
  ) -> scmp_arg_cmp {
    scmp_arg_cmp(arg: argument, op: operation, datum_a: first, datum_b: second)
  }

  /// The number of a call on this processor; libseccomp's negative number if it has none: see
  /// ``add(_:_:_:_:)``.
  private static func resolve(_ name: String) -> Int32 {
    SystemCalls.newer(name) ?? name.withCString { seccomp_syscall_resolve_name($0) }
  }

  /// Allowed names that this libseccomp does not know for any processor: they would be refused. (The static
  /// agent's libseccomp knows its own processor only; cross/build checks that one.)
  static var unknownNames: [String] { SystemCalls.allowed.filter { resolve($0) == -1 } }

  /// A name that libseccomp (-1) or this processor (below -10,000) does not know is no rule. Numbers
  /// between them are calls that 32-bit x86 makes directly or through socketcall(2) and ipc(2): both are
  /// allowed then.
  private static func add(
    _ filter: scmp_filter_ctx, _ name: String, _ action: UInt32, _ conditions: [scmp_arg_cmp]
  ) throws(SandboxError) {
    let number = resolve(name)
    if number == -1 || number <= -10_000 { return }
    let code = conditions.withUnsafeBufferPointer {
      seccomp_rule_add_array(filter, action, number, UInt32($0.count), $0.baseAddress)
    }
    if code != 0 { throw SandboxError.system("seccomp rule " + name, code: -code) }
  }

  private static func export(_ filter: scmp_filter_ctx) throws(SandboxError) -> [UInt8] {
    var ends: [Int32] = [-1, -1]
    let made = ends.withUnsafeMutableBufferPointer { host_sandbox_pipe($0.baseAddress, 0) }
    if made != 0 { throw SandboxError.system("pipe", code: -made) }
    defer { _ = host_sandbox_close(ends[0]) }
    // A pipe holds 64 KiB, the kernel's limit for a filter is 4096 instructions, 32 KiB.
    let code = seccomp_export_bpf(filter, ends[1])
    _ = host_sandbox_close(ends[1])
    if code != 0 { throw SandboxError.system("seccomp_export_bpf", code: -code) }
    var program: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 8192)
    while true {
      let got = buffer.withUnsafeMutableBufferPointer {
        host_sandbox_read(ends[0], $0.baseAddress, UInt64($0.count))
      }
      if got <= 0 { break }
      program.append(contentsOf: buffer[0..<Int(got)])
    }
    if program.isEmpty || program.count % 8 != 0 || program.count > 4096 * 8 {
      throw SandboxError.system("seccomp_export_bpf", code: 22)
    }
    return program
  }
}

extension KernelFeatures {
  /// The filter for the device nodes that sandboxes get on this host.
  func filter() throws(SandboxError) -> [UInt8] {
    try SeccompFilter.program(hostDevices: !ownDevices)
  }
}
