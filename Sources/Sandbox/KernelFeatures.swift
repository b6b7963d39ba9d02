/// What this machine's kernel has of what a sandbox needs, found out once at start.
public struct KernelFeatures: Equatable, Sendable {
  public enum CgroupMode: UInt8, Sendable {
    case none, version1, version2, hybrid
  }

  /// `uname -r`.
  public var release: String = ""
  public var isRoot: Bool = false
  /// Namespaces that this agent can really create, as CLONE_NEW* flags.
  public var namespaces: UInt64 = 0
  /// A private /proc can be mounted inside the namespaces.
  public var canMountProc: Bool = false
  public var seccomp: Bool = false
  public var overlay: Bool = false
  public var cgroups = CgroupLayout()

  public init() {}
}
