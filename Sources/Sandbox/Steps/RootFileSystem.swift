import CHost

/// The root: memory of limited size, gone when the last process is. tmpfs(5).
enum RootFileSystem {
  /// Folders that the sandbox itself makes there.
  private static let own: UInt64 = 16

  static func steps(_ context: PlanContext) -> [Step] {
    let limits = context.spec.limits
    var options = "size=\(limits.diskBytes),nr_inodes=\(limits.files + own),mode=0755"
    if !context.hasUserNamespace {
      options += ",uid=\(context.identity),gid=\(context.groupIdentity)"
    }
    // Process 1 makes the folders; without a user namespace it has another identity than the job.
    let owner = context.hasUserNamespace ? 0 : context.identity
    var steps = [
      Step.mount(
        "zennet", on: context.root, type: "tmpfs",
        flags: MountFlag.noSuid | MountFlag.noDevices, options: options)
    ]
    for folder in ["/dev", "/proc"] { steps.append(Step.makeDirectory(context.root + folder)) }
    for folder in WritableFolders.all {
      steps.append(Step.makeDirectory(context.root + folder, owner: owner))
    }
    // Who unpacks the bundle still writes to what is mounted here; what everybody sees is mounted over it,
    // with everything else, and made read-only before a byte of the bundle is read.
    var hold = Step("hold " + context.root, HOST_HOLD, HOST_PHASE_INNER)
    hold.path = context.root
    return steps + [hold, Step.mount(context.root, on: context.root, flags: MountFlag.bind)]
  }

  static func readOnlySteps() -> [Step] {
    [
      Step.mount(
        "", on: "/",
        flags: MountFlag.remount | MountFlag.bind | MountFlag.readOnly | MountFlag.noSuid
          | MountFlag.noDevices)
    ]
  }
}
