/// Where the job may write: mounts of their own, so that they stay writable when the root no longer is.
/// They share the root's size limit.
enum WritableFolders {
  static let all = ["/tmp", "/out", "/work"]

  static func steps() -> [Step] {
    all.map { Step.mount($0, on: $0, flags: MountFlag.bind) }
  }
}
