import Host
import Sandbox

/// Why an image cannot become a bundle.
public enum ImageError: Error, Equatable {
  case host(HostError)
  case bundle(path: String, BundleError)
  /// It is neither an OCI layout nor a `docker save` archive.
  case notAnImage(path: String)
  /// A file of the image that is missing, malformed, or leads out of it.
  case malformed(path: String, problem: String)
  /// A file's content does not match its digest.
  case digest(path: String)
  /// The image has no variant for the wanted platform; `has` lists those it has.
  case noPlatform(wanted: String, has: [String])
  /// There is no image of this name; `has` lists the names.
  case noReference(wanted: String, has: [String])
  /// More bytes than the limit.
  case tooLarge(limit: UInt64)
  case compression(path: String)

  public var message: String {
    switch self {
    case .host(let error): return error.message
    case .bundle(let path, let error): return path + ": " + error.message
    case .notAnImage(let path):
      return path + ": neither an OCI layout nor an archive of docker save"
    case .malformed(let path, let problem): return path + ": " + problem
    case .digest(let path): return path + ": its content does not match its digest"
    case .noPlatform(let wanted, let has):
      return "the image has no variant for \(wanted); it has "
        + (has.isEmpty ? "none" : has.joined(separator: ", "))
    case .noReference(let wanted, let has):
      return (wanted.isEmpty ? "name one with --ref" : "there is no image \(wanted)")
        + "; there are " + has.joined(separator: ", ")
    case .tooLarge(let limit): return "larger than \(limit) bytes unpacked"
    case .compression(let path): return path + ": its compressed data is damaged"
    }
  }
}
