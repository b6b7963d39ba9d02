import Host
import Sandbox

/// Why local files cannot become a bundle, or a bundle cannot be used for a task.
public enum BundlesError: Error, Equatable {
  /// An impossible request; the message, one line.
  case usage(String)
  case host(HostError)
  case bundle(path: String, BundleError)

  public var message: String {
    switch self {
    case .usage(let text): return text
    case .host(let error): return error.message
    case .bundle(let path, let error): return path + ": " + error.message
    }
  }
}
