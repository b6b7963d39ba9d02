import Bytes

/// Why a measurement or a report is refused.
public indirect enum CapabilityError: Error, Equatable {
  /// A kernel computed a wrong result: broken hardware, or a loop that did not run.
  case wrongResult(Kernel)
  /// A kernel could not be run; `problem` is the reason.
  case notRun(Kernel, problem: String)
  /// The report's bytes do not decode.
  case malformed(BytesError)
  /// The report's version is unknown to this program.
  case unknownVersion(UInt16)
  /// The report's value `field` is one that an agent cannot have written.
  case refused(field: String)
  case wrongSignature

  /// The message, one line.
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
