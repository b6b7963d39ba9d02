import CHost

/// /proc shows the sandbox's processes only; what speaks of or to the machine is covered or read-only.
/// (Much of it is root's, and root does not exist inside; there this is the second wall.) proc(5).
///
/// So is what two publishers would know this machine by, or what names its owner's things: the kernel's
/// command line (the root file system's UUID), disks, arrays of disks, swap files, locks, devices that
/// interrupt, and the boot id. `stat` counts every interrupt, and so every key that the owner presses: it is
/// covered by a file with a line for each processor, which programs count, and zeros. `softirqs` counts them
/// too. Files that programs need stay visible even if they identify the host: `meminfo`, `cpuinfo` (without
/// the serial number: ``ProcessorText``), `loadavg`, `version`, `cgroups`; covering `vmstat` and similar
/// counters would therefore gain nothing. `/proc/self/sched`, where the kernel has it, and
/// `/proc/self/timens_offsets` show the host's uptime: files of a process's own folder cannot be covered.
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
    config.gz mtrr kpf cmdline diskstats interrupts locks partitions schedstat swaps
    sys/kernel/random/boot_id mdstat softirqs mtd bootconfig
    """
  private static let folders: StaticString =
    "acpi asound scsi tty pressure dynamic_debug bus fs irq device-tree"

  /// What covers `cpuinfo`, with what it says there, before the folder is read-only, as the cover then is.
  static func processorSteps(in folder: String) -> [Step] {
    if ProcessorText.shown.utf8.isEmpty { return [] }
    let path = folder + processor
    return [Step.makeFile(path), Step.write(path, ProcessorText.shown, HOST_PHASE_INNER)]
  }

  private static let processor = "/cpuinfo"
  private static let counters = "/stat"

  /// Steps that make the cover of `stat`. Start times of processes count from `btime`.
  static func countersSteps(_ context: PlanContext) -> [Step] {
    let path = context.root + "/dev" + counters
    let zeros = " 0 0 0 0 0 0 0 0 0 0\n"
    var text = "cpu " + zeros
    for index in 0..<min(host_processors(), 1024) { text += "cpu\(index)" + zeros }
    text +=
      "intr 0\nctxt 0\nbtime \(context.startS)\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n"
    text += "softirq 0 0 0 0 0 0 0 0 0 0 0\n"
    return [Step.makeFile(path), Step.write(path, text, HOST_PHASE_INNER)]
  }

  static func coverSteps() -> [Step] {
    let settings = "/proc/sys"
    var steps = [
      Step.mount(settings, on: settings, flags: MountFlag.bind),
      Step.mount(
        "", on: settings, flags: MountFlag.remount | MountFlag.bind | MountFlag.readOnly | quiet),
    ]
    for name in Text.names(files) {
      steps.append(Step.mount("/dev/null", on: "/proc/" + name, flags: MountFlag.bind).optional)
    }
    if !ProcessorText.shown.utf8.isEmpty {
      steps.append(
        Step.mount("/dev" + processor, on: "/proc" + processor, flags: MountFlag.bind))
    }
    steps.append(Step.mount("/dev" + counters, on: "/proc" + counters, flags: MountFlag.bind))
    // Every kernel has this one; it covers the others, too.
    let empty = "/proc/driver"
    steps.append(
      Step.mount(
        "zennet", on: empty, type: "tmpfs", flags: quiet | MountFlag.readOnly,
        options: "size=4k,mode=0555"))
    for name in Text.names(folders) {
      steps.append(Step.mount(empty, on: "/proc/" + name, flags: MountFlag.bind).optional)
    }
    return steps
  }
}
