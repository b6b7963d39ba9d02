/// What is mounted here does not show outside, and the other way round. mount_namespaces(7).
enum PrivateMounts {
  static func steps() -> [Step] {
    [Step.mount("", on: "/", flags: MountFlag.recursive | MountFlag.isPrivate)]
  }
}
