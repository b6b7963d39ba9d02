/// What programs of the job share under names, in a folder of /dev. shm_overview(7).
enum SharedMemory {
  static func steps(_ context: PlanContext) -> [Step] {
    [
      Step.mount(
        "zennet", on: context.root + "/dev/shm", type: "tmpfs",
        flags: MountFlag.noSuid | MountFlag.noExecute | MountFlag.noDevices,
        options: "size=\(context.spec.limits.diskBytes),nr_inodes=4096,mode=1777")
    ]
  }
}
