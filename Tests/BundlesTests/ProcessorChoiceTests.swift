import Market
import Sandbox
import Testing

@testable import Bundles

/// The job's program says which machines it is for.
struct ProcessorChoiceTests {
  /// The first bytes of a program. elf(5).
  private func elf(_ machine: UInt8, bits: Int, isBig: Bool = false) -> [UInt8] {
    var head: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, bits == 64 ? 2 : 1, isBig ? 2 : 1]
    head += [UInt8](repeating: 0, count: 10)
    return head + (isBig ? [0, 2, 0, machine] : [2, 0, machine, 0])
  }

  private func program(
    _ files: [(String, [UInt8], mode: UInt32)], links: [(String, String)] = []
  ) throws -> ProgramFinder {
    var writer = BundleWriter()
    for (path, bytes, mode) in files { writer.addFile(path, bytes, mode: mode) }
    for (path, target) in links { writer.addSymlink(path, to: target) }
    return try BundleCheck.check(try writer.finish(), name: "it", diskMiB: 1, memoryMiB: 8)
      .programs
  }

  private func choice(
    _ programs: [ProgramFinder], _ arguments: [String] = ["/bin/it"],
    wanted: ProcessorSet? = nil, ofImage: ProcessorSet? = nil, environment: [String] = []
  ) throws -> ProcessorSet {
    try ProcessorChoice.processors(
      wanted: wanted, ofImage: ofImage, programs: programs, arguments: arguments,
      environment: environment, workdir: "/work")
  }

  private func problem(_ body: () throws -> ProcessorSet) -> String? {
    do {
      _ = try body()
      return nil
    } catch { return (error as? BundlesError)?.message }
  }

  private static let kinds: [(UInt8, bits: Int, ProcessorSet)] = [
    (3, 32, .i686), (62, 64, .x86_64), (40, 32, [.armv6, .armv7]), (183, 64, .aarch64),
    (243, 64, .riscv64),
  ]

  @Test(arguments: kinds) func itsFirstBytesSay(
    machine: UInt8, bits: Int, set: ProcessorSet
  ) throws {
    let it = try program([("bin/it", elf(machine, bits: bits), 0o755)])
    #expect(try choice([it]) == set)
    #expect(try choice([it], wanted: set) == set)
  }

  @Test func aScriptIsForWhatItsInterpreterIsFor() throws {
    let shell = elf(62, bits: 64)
    let script = Array("#! ../bin/first -x\necho\n".utf8)
    let first = Array("#!/usr/bin/sh\n".utf8)
    let it = try program(
      [
        ("work/it", script, 0o755), ("bin/first", first, 0o755), ("lib/busybox", shell, 0o755),
        ("none", Array("#!/bin/nothing\n".utf8), 0o755), ("round", Array("#!/round".utf8), 0o755),
      ],
      links: [("usr/bin", "../sbin"), ("sbin/sh", "../lib/./busybox"), ("a", "b"), ("b", "a")])
    #expect(try choice([it], ["./it"]) == .x86_64)
    #expect(try choice([it], ["sh"]) == .x86_64)
    #expect(try choice([it], ["sh"], environment: ["PATH=/lib:/sbin"]) == .x86_64)
    for unknown in [["/none"], ["/round"], ["/a"], ["sh2"], ["busybox"], ["../../.."]] {
      #expect(try choice([it], unknown) == .all)
    }
  }

  @Test func whatCannotBeStartedIsNotTheProgram() throws {
    let it = try program([
      ("usr/bin/it", elf(62, bits: 64), 0o644), ("bin/it", elf(3, bits: 32), 0o755),
      ("text", Array("hello".utf8), 0o755), ("short", [0x7f, 0x45, 0x4c, 0x46], 0o755),
    ])
    #expect(try choice([it], ["it"]) == .i686)
    #expect(try choice([it], ["/text"]) == .all && choice([it], ["/short"]) == .all)
  }

  @Test func anImageMayBeMistaken() throws {
    let it = try program([("bin/it", elf(40, bits: 32), 0o755)])
    #expect(try choice([it], ofImage: .armv6) == .armv6)
    #expect(try choice([it], ofImage: .x86_64) == [.armv6, .armv7])
    #expect(try choice([it], ["/none"], ofImage: .x86_64) == .x86_64)
  }

  @Test func machinesThatCouldNotRunItAreNotHired() throws {
    let it = try program([("bin/it", elf(62, bits: 64), 0o755)])
    #expect(
      problem { try choice([it], wanted: [.x86_64, .aarch64]) }
        == "--processors: /bin/it is a program for x86_64, not for aarch64")
    for strange in [elf(8, bits: 32, isBig: true), elf(62, bits: 32), elf(8, bits: 32)] {
      let other = try program([("bin/it", strange, 0o755)])
      #expect(
        problem { try choice([other]) }
          == "/bin/it: a program for an unsupported processor")
    }
    let arm = try program([("bin/it", elf(183, bits: 64), 0o755)])
    #expect(
      problem { try choice([it, arm]) } == "/bin/it: the bundles support no common processor")
    #expect(try choice([it, try program([])]) == .x86_64)
  }

  /// Programs of 32 bits meet a filter that does not know their calls.
  @Test func aMachineRunsItsOwnKindOnly() {
    #expect(ProcessorSet(architecture: "x86_64") == .x86_64)
    #expect(ProcessorSet(architecture: "i586") == .i686)
    #expect(ProcessorSet(architecture: "armv8l") == [.armv6, .armv7])
    #expect(ProcessorSet(architecture: "armv6l") == .armv6)
    #expect(ProcessorSet(architecture: "mips").isEmpty)
  }
}
