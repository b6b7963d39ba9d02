/// What the steps need to know.
struct PlanContext {
  var spec: JobSpec
  var features: KernelFeatures
  /// Where the new root is mounted while the old one is still there.
  var root: String
  /// User and group id of the job as the machine sees it.
  var identity: UInt32
  var groupIdentity: UInt32
  /// Unix time of the boot that the job sees.
  var startS: UInt64
  /// BPF from ``SeccompFilter``; empty on a kernel without it.
  var filter: [UInt8]
  /// In how many cgroups process 1 enters by itself.
  var ownCgroups: Int

  var hasUserNamespace: Bool { features.has(Namespace.user) }
}

/// The whole way from a fork of the zygote to the job's first instruction, in order. Each line is one kernel
/// feature, one file in `Steps/`.
enum SandboxPlan {
  static func write(_ plan: inout PlanWriter, _ context: PlanContext) {
    // The first child, still in the agent's world.
    plan.fixed(ResourceLimits.coreSteps())
    plan.fixed(DiskPriority.steps())
    plan.fixed(OutOfMemory.beforeNamespaces())
    plan.fixed(Network.aheadSteps())
    plan.job(Devices.ownSteps(context))
    plan.job(PrivateIdentity.beforeNamespaces(context))
    plan.job(UserNamespace.steps(context))
    plan.fixed(OtherNamespaces.steps(context))
    plan.fixed(TimeNamespace.steps(context))

    // The first child, beside process 1, which is born here.
    plan.fixed(Network.besideSteps())
    plan.fixed(PivotRoot.lastSteps())

    // Process 1 of the sandbox: it has capabilities over its own namespaces, and none outside.
    plan.fixed(OutOfMemory.steps())
    plan.fixed(Secrecy.steps())
    plan.fixed(PrivateMounts.steps())
    plan.job(RootFileSystem.steps(context))
    plan.fixed(Devices.steps(context))
    plan.job(ProcFileSystem.countersSteps(context))
    plan.fixed(Devices.readOnlySteps(context))
    plan.job(SharedMemory.steps(context))
    plan.fixed(ProcFileSystem.steps(context))
    plan.fixed(PivotRoot.steps(context))
    plan.fixed(ProcFileSystem.coverSteps())
    plan.fixed(WritableFolders.steps())
    plan.fixed(RootFileSystem.readOnlySteps())
    plan.job(Hostname.steps(context))
    plan.fixed(ControlGroups.steps(context))
    plan.fixed(Network.joinSteps())
    plan.fixed(Beginning.steps())
    plan.fixed(Bundle.unpackSteps())

    // Every process that touches the job's data: the one that unpacks, the job, the one that collects.
    plan.fixed(Capabilities.boundingSteps())
    plan.job(PrivateIdentity.withoutUserNamespace(context))
    plan.fixed(Capabilities.steps())
    plan.fixed(NoNewPrivileges.steps())
    plan.fixed(Seccomp.steps(context))

    // The job, and programs that the publisher starts beside it.
    plan.fixed(ResourceLimits.steps())
    plan.job(ResourceLimits.jobSteps(context))

    // The job.
    plan.job(Program.steps(context))
  }
}
