import Bytes

/// Why a measurement or a report is refused.
public indirect enum CapabilityError: Error, Equatable {
  /// A kernel computed something wrong: broken hardware, or a loop that was not run.
  case wrongResult(Kernel)
  /// A kernel could not be run; `problem` says what stood in the way.
  case notRun(Kernel, problem: String)
  /// The report's bytes cannot be read.
  case malformed(BytesError)
  /// The report's version is none that this program knows.
  case unknownVersion(UInt16)
  /// A value of the report, named `field`, is none that an agent would write.
  case refused(field: String)
  case wrongSignature

  /// One line for people.
  public var message: String {
    switch self {
    case .wrongResult(let kernel): return "\(kernel.name): the result is wrong"
    case .notRun(let kernel, let problem): return "\(kernel.name): \(problem)"
    case .malformed(let error): return "capability report: \(error.message)"
    case .unknownVersion(let version): return "capability report: unknown version \(version)"
    case .refused(let field): return "capability report: \(field) is not acceptable"
    case .wrongSignature: return "capability report: wrong signature"
    }
  }
}
