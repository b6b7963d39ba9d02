/// What an agent tells the sandbox once, at its start.
public struct SandboxSettings: Sendable {
  /// Distinguishes this agent's cgroups from those of other agents on the machine: 1 to 32 of
  /// `a-z 0-9 - _`, the same at every start (for example the first digits of the identity).
  public var owner: String
  /// The first of the user and group ids that jobs may get when the agent runs as root: ``IdentityRange``.
  public var firstUid: UInt32
  /// An existing directory over which each job's private root is mounted (nobody else sees it).
  public var mountPoint: String

  /// A static program that calls ``SandboxHelper/runIfAsked(_:)`` first of all, normally the agent itself
  /// (`/proc/self/exe`): everything in a sandbox then comes from it, and no process there ever held the
  /// agent's memory. Empty, not static, or a kernel before Linux 3.19: forks of the agent do the same.
  public var helperProgram: String

  public init(
    owner: String, firstUid: UInt32 = IdentityRange.first, mountPoint: String = "/tmp",
    helperProgram: String = ""
  ) {
    self.owner = owner
    self.firstUid = firstUid
    self.mountPoint = mountPoint
    self.helperProgram = helperProgram
  }
}
