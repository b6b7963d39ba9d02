import CHost

/// A world in which the private identity is user 1000 and nobody else exists. user_namespaces(7).
enum UserNamespace {
  static let insideId: UInt32 = 1000

  static func steps(_ context: PlanContext) -> [Step] {
    if !context.hasUserNamespace { return [] }
    var unshare = Step("user namespace", HOST_UNSHARE, HOST_PHASE_OUTER)
    unshare.a = Namespace.user
    return [
      unshare,
      // Not there before Linux 3.19, and not needed.
      Step.write("/proc/self/setgroups", "deny", HOST_PHASE_OUTER).optional,
      Step.write(
        "/proc/self/gid_map", "\(insideId) \(context.groupIdentity) 1", HOST_PHASE_OUTER),
      Step.write("/proc/self/uid_map", "\(insideId) \(context.identity) 1", HOST_PHASE_OUTER),
      // No user namespaces inside this one, seccomp or not (Linux 4.9).
      Step.write("/proc/sys/user/max_user_namespaces", "0", HOST_PHASE_OUTER).optional,
    ]
  }
}
