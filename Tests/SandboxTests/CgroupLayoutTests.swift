import Testing

@testable import Sandbox

struct CgroupLayoutTests {
  private func layout(_ mounts: String, _ own: String, usable: Bool = true) -> CgroupLayout {
    CgroupLayout.parse(mounts: Array(mounts.utf8), own: Array(own.utf8)) { _ in usable }
  }

  @Test func versionOneWithSharedAndSeparateHierarchies() {
    let found = layout(
      """
      20 1 0:18 / /sys rw - sysfs sysfs rw
      30 20 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
      31 20 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
      32 20 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd

      """, "4:memory:/user/a\n3:cpu,cpuacct:/\n1:name=systemd:/x\n")
    #expect(found.cpu.directory == "/sys/fs/cgroup/cpu,cpuacct")
    #expect(found.cpuAccounting.directory == "/sys/fs/cgroup/cpu,cpuacct")
    #expect(found.memory.directory == "/sys/fs/cgroup/memory/user/a")
    #expect(found.memory.mount == "/sys/fs/cgroup/memory")
    #expect(!found.pids.isPresent && !found.freezer.isPresent)
    #expect(found.mode == .version1)
    // Both processor controllers share a directory: it is made once.
    #expect(JobCgroup(layout: found, owner: "o", job: "j").directories.count == 2)
  }

  @Test func aMountInAContainerShowsOnlyPartOfTheHierarchy() {
    let found = layout(
      "31 20 0:27 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
      "4:memory:/docker/1/job\n")
    #expect(found.memory.directory == "/sys/fs/cgroup/memory/job")
  }

  @Test func versionTwoGivesAccountingAndFreezer() {
    let found = layout(
      "30 20 0:26 / /nowhere/cgroup rw - cgroup2 cgroup2 rw\n", "0::/user.slice\n")
    #expect(found.unified.directory == "/nowhere/cgroup/user.slice")
    #expect(found.freezer.isVersion2 && found.cpuAccounting.isVersion2)
    #expect(!found.memory.isPresent)
    #expect(found.mode == .version2)
  }

  @Test func aShellInAnAgentsLeafStartsItsNextAgentBesideIt() {
    let mount = "30 20 0:26 / /nowhere/cgroup rw - cgroup2 cgroup2 rw\n"
    #expect(layout(mount, "0::/a/zennet-agent\n").unified.directory == "/nowhere/cgroup/a")
    #expect(layout(mount, "0::/zennet-agent\n").unified.directory == "/nowhere/cgroup")
    #expect(layout(mount, "0::/my-zennet-agent\n").unified.directory.hasSuffix("/my-zennet-agent"))
  }

  @Test func whatIsNotDelegatedIsNotThere() {
    let found = layout(
      "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/\n", usable: false)
    #expect(found.mode == .none)
  }

  @Test func nonsenseIsIgnored() {
    for text in ["", "\n\n", "a b c\n", "1 2 3 4 5 - cgroup\n", "1 2 3 4 5 6 - cgroup2 x y\n"] {
      #expect(layout(text, "junk\n:::\n0:\n").mode == .none)
    }
  }

  @Test func numbersOfControlFiles() {
    #expect(Text.onlyNumber(Array("12345\n".utf8)) == 12345)
    #expect(Text.onlyNumber(Array("max\n".utf8)) == nil)
    #expect(Text.onlyNumber(Array("99999999999999999999\n".utf8)) == nil)
    #expect(Text.onlyNumber(nil) == nil)
    #expect(Text.keyed(Array("low 0\noom 2\noom_kill 1\n".utf8), "oom_kill") == 1)
  }
}
