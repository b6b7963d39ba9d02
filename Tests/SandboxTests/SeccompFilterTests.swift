import CSeccomp
import Foundation
import Testing

@testable import Sandbox

struct SeccompFilterTests {
  @Test func theProgramFitsTheKernel() throws {
    let program = try SeccompFilter.program()
    #expect(program.count % 8 == 0)
    #expect(program.count / 8 <= 4096 && program.count / 8 > 100)
    #expect(try SeccompFilter.program() == program)
  }

  /// Ranges are looked up first; libseccomp's own rules for all calls are what they have to agree with.
  @Test func itJudgesAsARuleForEachCallDoes() throws {
    let short = FilterJudge(program: try SeccompFilter.program())
    let long = FilterJudge(program: try SeccompFilter.ruleByRule())
    let native = seccomp_arch_native()
    var partly: [UInt32] = []
    _ = FilterExceptions.program(hostDevices: false) { name in
      partly.append(UInt32(bitPattern: seccomp_syscall_resolve_name(name)))
      return -1
    }
    #expect(partly.count >= 5)
    #expect(short.program.count < long.program.count)
    let numbers: [UInt32] =
      Array(0...2000) + [983_041, 983_045, 0x4000_0000, 0x4000_0001, 0x7fff_ffff, .max]
    var differing: [UInt32] = []
    for number in numbers {
      if partly.contains(number) { continue }
      let isTooNew = number > 471 && number < 0x4000_0000
      for architecture in [native, native ^ 1, native ^ 0x8000_0000, 0] {
        for first in [0 as UInt64, 1, 2, 8, 10, 16, 17, 0x1000_0000, 0x3d0f00, 0x7e02_0000, .max] {
          let one = short.verdict(architecture: architecture, number: number, first)
          let other =
            isTooNew && architecture == native
            ? FilterJudge.notThere
            : long.verdict(architecture: architecture, number: number, first)
          if one != other { differing.append(number) }
        }
      }
    }
    #expect(differing.isEmpty)
  }

  @Test func someAreAllowedSaveWithCertainArguments() throws {
    let judge = FilterJudge(program: try SeccompFilter.program())
    func verdict(_ name: String, _ first: UInt64, _ second: UInt64 = 0, _ third: UInt64 = 0)
      -> UInt32
    {
      judge.verdict(
        architecture: seccomp_arch_native(),
        number: UInt32(bitPattern: seccomp_syscall_resolve_name(name)), first, second, third, third)
    }
    let allow = FilterJudge.allow
    let refuse = FilterJudge.refuse
    let pretend: UInt32 = 0x0005_0000
    // The kernel looks at 32 bits of a command, a flag or a resource.
    for high: UInt64 in [0, 1 << 32, 0xffff_ffff << 32] {
      for command: UInt64 in [
        0x5423, 0x5412, 0x541c, 0x8940, 0x8941, 0x8982, 0x8983, 0x89a0, 0x89a1,
      ] {
        #expect(verdict("ioctl", 0, high | command) == refuse)
        #expect(verdict("ioctl", command, high | 0x5401) == allow)
      }
      #expect(verdict("memfd_create", 0, high | 3) == allow)
      #expect(verdict("memfd_create", 0, high | 5) == refuse)
      #expect(verdict("mmap", 0, 0, high | 0x22) == allow)
      #expect(verdict("mmap", 0, 0, high | 0x40022) == refuse)
      #expect(verdict("setrlimit", high | 4) == pretend)
      #expect(verdict("setrlimit", high | 7) == allow)
      #expect(verdict("prlimit64", 0, high | 7, 1) == allow)
      #expect(verdict("prlimit64", 0, high | 4, 0) == allow)
      #expect(verdict("prlimit64", 0, high | 4, 1) == pretend)
      #expect(verdict("prlimit64", high, high | 7, 1) == allow)
      #expect(verdict("prlimit64", high | 1, high | 7, 1) == refuse)
      #expect(verdict("prlimit64", high | 5000, high | 7, 0) == refuse)
      #expect(verdict("prctl", high | 22) == 0x0005_0016)
      #expect(verdict("prctl", high | 62) == 0x0005_0016)
      #expect(verdict("prctl", high | 15) == allow)
      #expect(verdict("socketpair", high | 1, high | 0x80801) == allow)
      #expect(verdict("socketpair", high | 2, high | 1) == refuse)
      #expect(verdict("socket", high | 1, high | 5) == allow)
      #expect(verdict("socket", high | 10, high | 2, high | 17) == allow)
      #expect(verdict("socket", high | 10, high | 2, high | 6) == refuse)
      #expect(verdict("socket", high | 2, high | 3, 1) == refuse)
      #expect(verdict("socket", high | 16, high | 3) == refuse)
      #expect(verdict("prlimit64", 0, high | 4, 1 << 32) == pretend)
    }
    // Everything of a job's is in memory: who asks for this would have the owner's files written.
    #expect(verdict("sync", 0) == pretend)
    #expect(verdict("io_setup", 1) == 0x0005_0026)
    #expect(verdict("seccomp", 1) == 0x0005_0026)
    for name in ["ioctl", "mmap", "prlimit64"] {
      let number = UInt32(bitPattern: seccomp_syscall_resolve_name(name))
      #expect(judge.verdict(architecture: 1, number: number) != allow)
    }
  }

  /// Where the devices are the machine's own, no file is watched and none is locked.
  @Test func hostDevicesAreNeitherWatchedNorLocked() throws {
    let own = FilterJudge(program: try SeccompFilter.program())
    let hosts = FilterJudge(program: try SeccompFilter.program(hostDevices: true))
    let noLocks: UInt32 = 0x0005_0025
    for name in SystemCalls.allowed {
      let resolved = seccomp_syscall_resolve_name(name)
      if resolved < 0 { continue }
      let number = UInt32(resolved)
      for second: UInt64 in [1, 2, 5, 6, 7, 12, 13, 14, 36, 37, 38, 1 << 32 | 6, 1030] {
        func verdict(_ judge: FilterJudge) -> UInt32 {
          judge.verdict(architecture: seccomp_arch_native(), number: number, 3, second)
        }
        #expect(verdict(own) == FilterJudge.allow)
        switch name {
        case "inotify_init", "inotify_init1": #expect(verdict(hosts) == FilterJudge.notThere)
        case "flock": #expect(verdict(hosts) == noLocks)
        case "fcntl":
          let isLock =
            [6, 7, 37, 38].contains(UInt32(truncatingIfNeeded: second)) || second == 13
            || second == 14
          #expect(verdict(hosts) == (isLock ? noLocks : FilterJudge.allow))
        default: #expect(verdict(hosts) == FilterJudge.allow)
        }
      }
    }
  }

  @Test func callsOfLaterKernelsAreNotThere() throws {
    let judge = FilterJudge(program: try SeccompFilter.program())
    for number: UInt32 in [472, 500, 4000, 0x3fff_ffff] {
      #expect(
        judge.verdict(architecture: seccomp_arch_native(), number: number) == FilterJudge.notThere)
    }
    for number: UInt32 in [471, 457, 425] {
      #expect(
        judge.verdict(architecture: seccomp_arch_native(), number: number) == FilterJudge.refuse)
    }
  }

  /// A list that is behind the newest headers here says so.
  @Test func theListKnowsTheNewestHeaders() throws {
    #expect(SeccompFilter.unknownNames.isEmpty)
    let home = ProcessInfo.processInfo.environment["HOME"] ?? "/root"
    var seen = 0
    for file in [
      "/usr/include/asm-generic/unistd.h",
      home + "/.cache/zennet/zig/lib/libc/include/any-linux-any/asm-generic/unistd.h",
    ] {
      guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { continue }
      for line in text.split(separator: "\n") {
        let words = line.split(whereSeparator: \.isWhitespace)
        guard words.count == 3, words[0] == "#define", words[1].hasPrefix("__NR_"),
          let number = Int32(words[2]), number >= 424, words[1] != "__NR_syscalls"
        else { continue }
        let name = String(words[1].dropFirst(5))
        seen += 1
        #expect(number <= SystemCalls.newest, "\(file): \(name) is new: allow or refuse it")
        if let known = SystemCalls.newer(name) { #expect(known == number, "\(name)") }
        #expect(
          SystemCalls.newer(name) != nil || elsewhere.contains(name),
          "\(file): \(name) is neither allowed nor refused on purpose")
      }
    }
    print("system calls: \(seen) newer ones in the headers here, known up to \(SystemCalls.newest)")
  }

  /// Refused, or allowed and known to every libseccomp.
  private let elsewhere: Set<String> = [
    "pidfd_send_signal", "io_uring_setup", "io_uring_enter", "io_uring_register", "open_tree",
    "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "pidfd_open", "clone3", "pidfd_getfd",
    "process_madvise", "mount_setattr", "quotactl_fd", "memfd_secret", "set_mempolicy_home_node",
    "statmount", "listmount", "lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules",
    "open_tree_attr", "listns", "rseq_slice_yield",
  ]

  @Test func rangesAreFoundByTheirEdges() throws {
    let refused: [UInt8] = [6, 0, 0, 0, 1, 0, 5, 0]
    for allowed: [UInt32] in [
      [7], [0], [0, 1, 2], [9, 3, 4, 5, 3], [1, 3, 5, 7, 9, 11, 13], Array(20..<80) + [90, 92, 91],
    ] {
      let program = try #require(
        FilterLookup.program(architecture: 62, allowed: allowed, rest: refused))
      let judge = FilterJudge(program: program)
      for number: UInt32 in 0..<100 {
        let expected = allowed.contains(number) ? FilterJudge.allow : FilterJudge.refuse
        #expect(judge.verdict(architecture: 62, number: number, 0) == expected)
        #expect(
          judge.verdict(architecture: 61, number: number, 0) == FilterJudge.refuse)
      }
    }
    #expect(FilterLookup.program(architecture: 62, allowed: [], rest: refused) == nil)
    let scattered = (0..<101).map { UInt32($0 * 2) }
    #expect(FilterLookup.program(architecture: 62, allowed: scattered, rest: refused) == nil)
  }

  @Test func dangerousCallsAreNotListed() {
    for name in [
      "bpf", "keyctl", "add_key", "request_key", "userfaultfd", "io_uring_setup", "perf_event_open",
      "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "mount", "umount2", "pivot_root",
      "chroot", "setns", "unshare", "init_module", "finit_module", "kexec_load", "reboot",
      "clock_settime", "settimeofday", "adjtimex", "swapon", "open_by_handle_at", "syslog",
      "ioprio_set", "io_setup", "sync", "fsopen", "move_mount", "open_tree", "fanotify_init",
      "pidfd_getfd", "quotactl", "acct", "seccomp", "socketcall",
    ] {
      #expect(!SystemCalls.allowed.contains(name))
    }
  }
}
