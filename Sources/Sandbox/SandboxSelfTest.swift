import Bytes
import CHost
import CSeccomp

/// What of the sandbox needs neither rights nor a kernel that has them all.
public enum SandboxSelfTest {
  public static func run(_ report: (StaticString, Bool) -> Void) {
    report("sandbox: the filter of system calls", (try? filterHolds()) ?? false)
    report("sandbox: a bundle, tar in zstd", bundleIsRead())
    report("sandbox: files beyond 2 GiB in a bundle", sizesHold())
    report("sandbox: use beyond 32 bits", useHolds())
  }

  // MARK: seccomp

  /// The program that libseccomp made for this processor, asked as the kernel would ask it.
  private static func filterHolds() throws(SandboxError) -> Bool {
    let judge = FilterJudge(program: try SeccompFilter.program())
    func verdict(_ name: StaticString, _ first: UInt64 = 0, _ second: UInt64 = 0) -> UInt32 {
      judge.verdict(
        architecture: seccomp_arch_native(), number: number(name), first, second, 1, second)
    }
    for name: StaticString in [
      "read", "write", "execve", "exit_group", "futex", "brk", "ioctl", "memfd_create", "setrlimit",
      "prlimit64", "prctl", "flock",
    ] {
      if verdict(name) != FilterJudge.allow { return false }
    }
    for name: StaticString in [
      "mount", "ptrace", "bpf", "unshare", "setns", "keyctl", "reboot", "init_module",
      "process_vm_readv", "perf_event_open",
    ] {
      if verdict(name) != FilterJudge.refuse { return false }
    }
    let map: StaticString = MemoryLayout<Int>.size == 8 ? "mmap" : "mmap2"
    // A thread may be made, a user namespace not; the newer call, whose flags are out of sight, is
    // said not to exist.
    return verdict("clone", 0x3d0f00) == FilterJudge.allow
      && verdict("clone", 0x1000_0000) == FilterJudge.refuse
      && verdict("clone3") == FilterJudge.notThere
      && verdict("personality", 0) == FilterJudge.allow
      && verdict("personality", 0x4_0000) == FilterJudge.refuse
      && verdict("ioctl", 0, 0x5412) == FilterJudge.refuse
      && verdict("memfd_create", 0, 4) == FilterJudge.refuse
      && verdict(map, 0, 0x22) == FilterJudge.allow
      && verdict(map, 0, 0x40022) == FilterJudge.refuse
      && verdict("prlimit64", 0, 4) == 0x0005_0000 && verdict("prlimit64", 1) == FilterJudge.refuse
      && judge.verdict(architecture: seccomp_arch_native(), number: 4000) == FilterJudge.notThere
      && socketsAreLocal(judge)
      && judge.verdict(architecture: 1, number: number("read"), 0) != FilterJudge.allow
  }

  /// Covers socketcall(2) too: a filter cannot see its arguments, so it must make no sockets.
  private static func socketsAreLocal(_ judge: FilterJudge) -> Bool {
    func verdict(_ name: String, _ first: UInt64, _ second: UInt64) -> UInt32 {
      let number = SystemCalls.direct(name) { name in
        name.withCString { seccomp_syscall_resolve_name($0) }
      }
      return judge.verdict(
        architecture: seccomp_arch_native(), number: UInt32(bitPattern: number), first, second)
    }
    for name in ["socket", "socketpair"] {
      if verdict(name, 1, 0x80001) != FilterJudge.allow { return false }
      if verdict(name, 16, 3) != FilterJudge.refuse { return false }
    }
    for part: UInt64 in [1, 8] {
      if verdict("socketcall", part, 0) == FilterJudge.allow { return false }
    }
    return true
  }

  private static func number(_ name: StaticString) -> UInt32 {
    name.utf8Start.withMemoryRebound(to: CChar.self, capacity: name.utf8CodeUnitCount + 1) {
      UInt32(bitPattern: seccomp_syscall_resolve_name($0))
    }
  }

  // MARK: Bundles

  /// Made by Python's tar and by zstd 1.5.4: the folder bin, the file bin/run, the link bin/also.
  private static let bundle = Hex.constant(
    "28b52ffd0410750300f2c40f11a0edf49132b2aaf216fe978c306a9c93023d21092fcccbc6a0179d",
    "d26eeb804d28b5db5231369c18920cf784da6d7df750c9387fc20f1fb43f27edb5db0a0f2010312c",
    "b703fdad4057aa3fa0a0d1033471f0a81fac6abcc37b80d4cca70ee8293f2538e0a000c6137e0391",
    "a5ac9a")

  private static func bundleIsRead() -> Bool {
    let items = read(bundle)
    let run = Array("bin/run".utf8)
    let script = Array("#!/bin/true\n".utf8)
    let expected: [BundleItem] = [
      .directory(path: Array("bin".utf8), mode: 0o755),
      .file(path: run, mode: 0o755, size: 12), .data(script), .fileEnded,
      .symlink(path: Array("bin/also".utf8), target: Array("run".utf8)),
    ]
    var damaged = bundle
    damaged[60] ^= 4
    return items == expected && read(damaged) == nil && read(Array(bundle.dropLast())) == nil
  }

  private static func read(_ bytes: [UInt8]) -> [BundleItem]? {
    let unzstd = Unzstd(ratio: 1000)
    var reader = BundleReader(limits: BundleLimits(entries: 10, bytes: 100))
    var items: [BundleItem] = []
    do throws(BundleError) {
      // Byte by byte, as a slow line gives them.
      for byte in bytes {
        try unzstd.feed([byte]) { (piece) throws(BundleError) in
          try reader.feed(piece) { (item, _) throws(BundleError) in items.append(item) }
        }
      }
      try unzstd.finish()
      try reader.finish()
      return items
    } catch { return nil }
  }

  /// ustar's octal up to 8 GiB, a pax record above it; and a sum of sizes that passes 64 bits.
  private static func sizesHold() -> Bool {
    let sizes: [UInt64] = [1 << 31, (1 << 32) + 5, 7 << 30, 9 << 40, 1 << 62]
    for size in sizes {
      var bytes: [UInt8] = []
      TarWriter.header(&bytes, path: [0x61], mode: 0o644, size: size, type: 0x30)
      var reader = BundleReader(limits: BundleLimits(entries: 1, bytes: 1 << 63))
      var item: BundleItem?
      do throws(BundleError) {
        try reader.feed(bytes[...]) { (next, _) throws(BundleError) in item = next }
      } catch { return false }
      if item != .file(path: [0x61], mode: 0o644, size: size) { return false }
      var small = BundleReader(limits: BundleLimits(entries: 1, bytes: size - 1))
      let accepted: Void? = try? small.feed(bytes[...]) { (_, _) throws(BundleError) in }
      if accepted != nil { return false }
    }
    return true
  }

  // MARK: Metering

  /// Three GiB held, and two processors busy, for a hundred days.
  private static func useHolds() -> Bool {
    let startMs: UInt64 = 1 << 33
    let dayMs: UInt64 = 86_400_000
    var meter = Meter()
    var reading = CgroupReading()
    reading.memoryBytes = 3 << 30
    meter.started(reading, cpuNs: 0, cpuMilli: 2000, nowMs: startMs)
    for day in 0...UInt64(100) {
      reading.cpuNs = day * 2 * dayMs * 1_000_000
      reading.diskWriteBytes = day << 40
      meter.take(reading, nowMs: startMs + day * dayMs)
    }
    meter.transferred(bytes: 5 << 40)
    let sample = meter.sample(nowMs: startMs + 100 * dayMs)
    return sample.cpuMs == 17_280_000_000 && sample.memoryMiBMs == 26_542_080_000_000
      && sample.wallMs == 8_640_000_000 && sample.diskWriteKiB == 107_374_182_400
      && sample.networkKiB == 5_368_709_120 && sample.memoryPeakKiB == 3_145_728
  }
}
