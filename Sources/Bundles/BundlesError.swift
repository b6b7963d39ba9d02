import Host
import Sandbox

/// Why files of this machine cannot become a bundle, or a bundle not a task's.
public enum BundlesError: Error, Equatable {
  /// What was asked for cannot be; one line for people.
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
