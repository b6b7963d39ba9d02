/// /proc shows the sandbox's processes only; what speaks of or to the machine is covered or read-only.
/// (Most of it is root's, and root does not exist inside; this is the second wall.) proc(5).
enum ProcFileSystem {
  private static let quiet = MountFlag.noSuid | MountFlag.noDevices | MountFlag.noExecute

  /// Where a user namespace is, the kernel allows this only beside another /proc, the machine's.
  static func steps(_ context: PlanContext) -> [Step] {
    [Step.mount("proc", on: context.root + "/proc", type: "proc", flags: quiet)]
  }

  // Kernels differ in which of these they have.
  private static let files: StaticString = """
    kcore keys key-users kmsg kallsyms kpagecount kpageflags kpagecgroup latency_stats modules
    sched_debug slabinfo sysrq-trigger timer_list timer_stats vmallocinfo pagetypeinfo iomem ioports
    config.gz mtrr kpf
    """
  private static let folders: StaticString =
    "acpi asound scsi tty pressure dynamic_debug bus fs irq"

  static func coverSteps() -> [Step] {
    var steps: [Step] = []
    for name in Text.names(files) {
      steps.append(Step.mount("/dev/null", on: "/proc/" + name, flags: MountFlag.bind).optional)
    }
    // Every kernel has this one; it covers the others, too.
    let empty = "/proc/driver"
    steps.append(
      Step.mount(
        "zennet", on: empty, type: "tmpfs", flags: quiet | MountFlag.readOnly,
        options: "size=4k,mode=0555"))
    for name in Text.names(folders) {
      steps.append(Step.mount(empty, on: "/proc/" + name, flags: MountFlag.bind).optional)
    }
    let settings = "/proc/sys"
    steps.append(Step.mount(settings, on: settings, flags: MountFlag.bind))
    steps.append(
      Step.mount(
        "", on: settings, flags: MountFlag.remount | MountFlag.bind | MountFlag.readOnly | quiet))
    return steps
  }
}
