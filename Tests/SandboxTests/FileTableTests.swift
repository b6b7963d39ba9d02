import CHost
import Foundation
import Testing

@testable import Sandbox

struct FileTableTests {
  private func table(
    _ size: String, release: String = "6.1.0-13-amd64", commandLine: String = "quiet"
  ) -> FileTable {
    FileTable.parse(
      size: Array(size.utf8), memory: Array("MemTotal:         1000000 kB\nMemFree: 1 kB\n".utf8),
      release: release, commandLine: Array(commandLine.utf8))
  }

  @Test func allProcessesTogetherHaveAtMostHalf() {
    for size: UInt64 in [8192, 24_000, 98_304, 1_000_000, 1 << 31, .max] {
      var files = FileTable()
      files.size = size
      var before: UInt64 = 4096
      for pids: UInt64 in [4, 32, 64, 128, 1000, 4096, 65_536, 1 << 20] {
        let each = files.descriptors(pids: pids)
        #expect(each >= 64 && each <= before)
        #expect(each == 64 || pids * each + each + 253 <= size / 2)
        before = each
      }
    }
  }

  @Test func whatJobsGetOnMachinesThatThereAre() {
    // 1 GiB, and the processes that an owner allows if he says nothing.
    #expect(table("98304\n").descriptors(pids: 128) == 379)
    #expect(table("98304\n").descriptors(pids: 64) == 752)
    #expect(table("9223372036854775807\n").descriptors(pids: 128) == 4096)
    // What cannot be read is as small as it can be.
    #expect(table("").descriptors(pids: 32) == 116)
    #expect(FileTable().descriptors(pids: 1000) == 64)
    // Once it has grown.
    #expect(table("8000000\n").descriptors(pids: 128) == 4096)
  }

  @Test func filesAreMemoryWhereTheKernelSaysSo() {
    #expect(table("98304\n").enough == 8_000_000)
    for release in ["4.6.0", "4.19.0-6-armmp", "5.4.0", "6.18.44-x", "10.0.1"] {
      #expect(table("1", release: release).enough > 0)
    }
    for release in ["4.5.7", "3.10.108", "4", "", "six.one", "4.x"] {
      #expect(table("1", release: release).enough == 0)
    }
    let told = "root=/dev/sda1 cgroup.memory=nosocket,nokmem quiet"
    #expect(table("1", commandLine: told).enough == 0)
    #expect(table("1", commandLine: "nokme").enough > 0)
  }

  @Test func checkSaysWhatToChange() throws {
    var features = KernelFeatures()
    features.files.size = 98_304
    features.files.enough = 98_304
    #expect(
      features.lines.last?.text == "ok      file table: a job's memory ends before it is full")
    features.files.enough = 0
    #expect(features.lines.last?.text.contains("cgroup.memory=nokmem") == true)
  }

  /// A table that is large enough stays as it is.
  @Test func nothingGrowsWithoutNeed() {
    let before = System.read("/proc/sys/fs/file-max")
    var files = FileTable()
    files.grow()
    #expect(files == FileTable())
    files.size = 1 << 40
    files.enough = 1 << 30
    files.grow()
    #expect(files.size == 1 << 40)
    #expect(System.read("/proc/sys/fs/file-max") == before)
  }
}

private let isMachineOfItsOwn =
  ProcessInfo.processInfo.environment["ZENNET_MACHINE"] != nil && features.isRoot

extension WithKernel {
  @Suite(.enabled(if: canProbe)) struct FileHoardingTests {
    /// Whatever a job does, so many files it cannot have.
    @Test(arguments: ["open_files", "files_in_flight"])
    func aJobHasAtMostHalfOfTheTable(_ kind: String) throws {
      var small = features
      small.files = FileTable()
      let sandbox = Sandbox(
        features: small, settings: SandboxSettings(owner: "files\(getpid())"))
      let driver = try run(probe("hold", kind, "4"), bundle: probeBundle, in: sandbox)
      #expect(driver.process.outcome == .exited(status: 0))
      #expect(driver.output.hasPrefix("\(kind) stopped at"))
      let held = try #require(
        driver.output.split(separator: " ").last.flatMap { Int($0.dropLast()) })
      #expect(held > 0 && held >> 10 <= 4096)
      print("hoarding: \(kind): \(held >> 10) of 8192")
    }

    /// What the table's size rests on: even what no process has a descriptor of is memory of the job's.
    @Test(.enabled(if: features.files.enough > 0)) func openFilesAreCharged() throws {
      let driver = Driver(
        try makeSandbox().start(
          probe("hold", "mapped_files", "60", "keep"), bundle: probeBundle, nowMs: nowMs()))
      driver.until { $0.output.hasSuffix("\n") || $0.process.outcome != nil }
      #expect(driver.output.hasPrefix("mapped_files DONE"))
      let usage = driver.process.usage(nowMs: nowMs())
      // 61,440 files, each with its mapping.
      #expect(usage.memoryPeakKiB >= 16_000)
      print("hoarding: a mapped file: \(usage.memoryPeakKiB * 1024 / 61_440) bytes")
      try driver.process.destroy()
    }

    /// The real table: only in an emulated machine, as a full one is everybody's.
    @Test(
      .enabled(if: isMachineOfItsOwn, "fills the machine's table: scripts/machine"),
      arguments: ["mapped_files", "open_files", "files_in_flight"], [true, false])
    func theOwnersProgramsOpenFilesStill(_ kind: String, grows: Bool) throws {
      let file = "/proc/sys/fs/file-max"
      let before = try #require(Text.onlyNumber(System.read(file)))
      let used = try #require(
        Text.split((System.read("/proc/sys/fs/file-nr") ?? [])[...], on: 9).first.flatMap(
          Text.number))
      defer { _ = System.write(file, "\(before)") }
      #expect(System.write(file, "\(used + 12_000)") == 0)
      var small = KernelFeatures.detect()
      #expect(small.files.size == used + 12_000)
      if !grows { small.files.enough = 0 }
      let sandbox = Sandbox(
        features: small, settings: SandboxSettings(owner: "files\(getpid())"))
      #expect(sandbox.features.files.size == (grows ? small.files.enough : used + 12_000))
      let driver = Driver(
        try sandbox.start(probe("hold", kind, "16", "keep"), bundle: probeBundle, nowMs: nowMs()))
      driver.until { $0.output.hasSuffix("\n") || $0.process.outcome != nil }
      #expect(driver.process.outcome == nil)
      print("files: \(kind), \(grows ? "memory" : "half of the table"): \(driver.output)")
      // What is mapped is bounded by memory alone: where the table cannot grow, `check` says so.
      let isFull = kind == "mapped_files" && !grows
      #expect(openedByUser() == (isFull ? ENFILE : 0))
      try driver.process.destroy()
      #expect(openedByUser() == 0)
    }

    /// An errno, or 0: whether a program of an ordinary user can open a file.
    private func openedByUser() -> Int32 {
      let fork = unsafeBitCast(dlsym(nil, "fork")!, to: (@convention(c) () -> Int32).self)
      let pid = fork()
      if pid == 0 {
        setuid(65_534)
        _exit(open("/etc/passwd", O_RDONLY) >= 0 ? 0 : errno)
      }
      var status: Int32 = 0
      waitpid(pid, &status, 0)
      return status >> 8
    }
  }
}
