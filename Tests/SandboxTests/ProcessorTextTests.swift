import CHost
import Foundation
import Testing

@testable import Sandbox

/// As boards print it; the numbers are made up.
private let nanoPi = """
  processor\t: 0
  model name\t: ARMv7 Processor rev 5 (v7l)
  BogoMIPS\t: 48.00
  Features\t: half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm
  CPU implementer\t: 0x41
  CPU architecture: 7
  CPU variant\t: 0x0
  CPU part\t: 0xc07
  CPU revision\t: 5

  Hardware\t: Allwinner sun8i Family
  Revision\t: 0000
  Serial\t\t: 02c0008112345678

  """

private let firstPi = """
  processor\t: 0
  model name\t: ARMv6-compatible processor rev 7 (v6l)
  BogoMIPS\t: 697.95
  Features\t: half thumb fastmult vfp edsp java tls
  CPU implementer\t: 0x41
  CPU architecture: 7
  CPU variant\t: 0x0
  CPU part\t: 0xb76
  CPU revision\t: 7

  Hardware\t: BCM2835
  Revision\t: 000e
  Serial\t\t: 00000000abcdefab
  Model\t\t: Raspberry Pi Model B Rev 2

  """

private let fourthPi = """
  processor\t: 0
  BogoMIPS\t: 108.00
  Features\t: fp asimd evtstrm crc32 cpuid
  CPU implementer\t: 0x41
  CPU architecture: 8
  CPU variant\t: 0x0
  CPU part\t: 0xd08
  CPU revision\t: 3

  Revision\t: c03111
  Serial\t\t: 1000000012345678
  Model\t\t: Raspberry Pi 4 Model B Rev 1.1

  """

struct ProcessorTextTests {
  @Test(arguments: [nanoPi, firstPi, fourthPi]) func onlyTheNumberIsLeftOut(_ text: String) {
    let shown = ProcessorText.withoutSerial(Array(text.utf8))
    let wanted = text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(shown == wanted.filter { !$0.hasPrefix("Serial") }.joined(separator: "\n"))
    #expect(shown.utf8.count < text.utf8.count && shown.hasPrefix("processor\t: 0\n"))
  }

  @Test func withoutANumberNothingIsDone() {
    let ours = [UInt8](FileManager.default.contents(atPath: "/proc/cpuinfo") ?? Data())
    #if arch(x86_64)
      #expect(!ours.isEmpty && ProcessorText.withoutSerial(ours).isEmpty)
    #endif
    // Of most 64-bit boards, and of those that have a number nowhere.
    let none = fourthPi.replacingOccurrences(of: "Serial\t\t: 1000000012345678\n", with: "")
    let zero = firstPi.replacingOccurrences(of: "abcdefab", with: "00000000")
    for text in [none, zero, "", "\n", "Serial", "Serial\t\t: 0000000000000000"] {
      #expect(ProcessorText.withoutSerial(Array(text.utf8)) == "")
    }
  }

  @Test func unusualTextIsKeptAsItIs() {
    for (text, shown) in [
      ("a\nSerial : 1", "a\n"), ("Serial:1\nb", "b"), ("Serial 1\n\n\nSerial 2\n", "\n\n"),
      ("a\n Serial\nSerial : f\n", "a\n Serial\n"),
    ] { #expect(ProcessorText.withoutSerial(Array(text.utf8)) == shown) }
  }
}

extension WithKernel {
  struct ProcessorMountTests {
    /// As on such a board.
    @Test(arguments: Origin.possible) func jobsReadItWithoutTheNumber(_ origin: Origin) throws {
      ProcessorText.shown = ProcessorText.withoutSerial(Array(fourthPi.utf8))
      defer { ProcessorText.shown = "" }
      let script = """
        cat /proc/cpuinfo; echo end; echo x > /proc/cpuinfo; echo x > /dev/cpuinfo; umount /proc/cpuinfo
        rm /dev/cpuinfo; cat /proc/cpuinfo
        """
      let bundle = busyboxBundle {
        for name in ["umount", "rm"] { $0.addSymlink("bin/" + name, to: "busybox") }
      }
      let driver = try run(shell(script), bundle: bundle, in: origin.sandbox())
      #expect(driver.output == ProcessorText.shown + "end\n" + ProcessorText.shown)
      #expect(driver.errors.split(separator: "\n").count == 4)
    }

    @Test(.enabled(if: ProcessorText.shown.isEmpty)) func elsewhereItIsTheMachines() throws {
      let driver = try run(shell("cat /proc/cpuinfo; ls /dev"))
      let first = String(decoding: System.read("/proc/cpuinfo", limit: 32)!, as: UTF8.self)
      #expect(driver.output.hasPrefix(first) && !driver.output.contains("\ncpuinfo\n"))
    }
  }
}
