/// Where the kernel's resource controllers are, and under which directory jobs may be placed.
public struct CgroupLayout: Equatable, Sendable {
  /// The directory under which this agent makes `zennet/<owner>.<job>`, by controller; empty when the
  /// controller is missing or not delegated to this user. In version 2 all are the same directory.
  public var cpu: String = ""
  public var cpuAccounting: String = ""
  public var memory: String = ""
  public var freezer: String = ""
  public var pids: String = ""
  public var blkio: String = ""
  /// Version 2 directory; empty on a pure version 1 machine.
  public var unified: String = ""

  public init() {}
}
