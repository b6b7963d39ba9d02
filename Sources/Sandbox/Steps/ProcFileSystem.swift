/// /proc shows the sandbox's processes only; what speaks of or to the machine is covered or read-only.
/// (Most of it is root's, and root does not exist inside; this is the second wall.) proc(5).
enum ProcFileSystem {
  private static let quiet = MountFlag.noSuid | MountFlag.noDevices | MountFlag.noExecute

  static func steps(_ context: PlanContext) -> [Step] {
    let proc = context.root + "/proc"
    var steps = [Step.mount("proc", on: proc, type: "proc", flags: quiet)]
    for name in [
      "/kcore", "/keys", "/key-users", "/kmsg", "/kallsyms", "/kpagecount", "/kpageflags",
      "/kpagecgroup", "/latency_stats", "/modules", "/sched_debug", "/slabinfo", "/sysrq-trigger",
      "/timer_list", "/timer_stats", "/vmallocinfo", "/pagetypeinfo", "/iomem", "/ioports",
      "/config.gz", "/mtrr", "/kpf",
    ] {
      // Kernels differ in which of these they have.
      steps.append(Step.mount("/dev/null", on: proc + name, flags: MountFlag.bind).optional)
    }
    for name in ["/acpi", "/asound", "/driver", "/scsi", "/tty", "/pressure", "/dynamic_debug"] {
      steps.append(
        Step.mount(
          "zennet", on: proc + name, type: "tmpfs", flags: quiet | MountFlag.readOnly,
          options: "size=4k,mode=0555"
        ).optional)
    }
    steps += readOnly(proc + "/sys", isOptional: false)
    for name in ["/bus", "/fs", "/irq"] { steps += readOnly(proc + name, isOptional: true) }
    return steps
  }

  private static func readOnly(_ path: String, isOptional: Bool) -> [Step] {
    let steps = [
      Step.mount(path, on: path, flags: MountFlag.bind),
      Step.mount(
        "", on: path, flags: MountFlag.remount | MountFlag.bind | MountFlag.readOnly | quiet),
    ]
    return isOptional ? steps.map { $0.optional } : steps
  }
}
