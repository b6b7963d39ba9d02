/// The executor: walls off one job after another and leaves nothing behind.
public final class Sandbox {
  public let features: KernelFeatures
  public let settings: SandboxSettings

  public init(features: KernelFeatures, settings: SandboxSettings) {
    self.features = features
    self.settings = settings
  }

  /// Makes the walls and waits inside them for the bundle on ``SandboxProcess/bundle``; the job
  /// starts when the bundle is complete. Blocks for a few milliseconds.
  public func start(_ spec: JobSpec, nowMs: UInt64) throws(SandboxError) -> SandboxProcess {
    try spec.validate()
    throw SandboxError.wrongState("not yet")
  }

  /// Removes what an earlier, killed agent of the same owner left: processes, cgroups. Call before
  /// anything else. Returns how many jobs were found.
  public func cleanStale() throws(SandboxError) -> Int { 0 }
}
