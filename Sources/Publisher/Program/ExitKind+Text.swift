import Foundation
import Market

extension ExitKind {
  /// For display: `exited 3`, `never-ran 2 (No such file or directory)`.
  func told(_ status: Int32) -> String {
    let told = text + " \(status)"
    if self != .neverRan { return told }
    let why =
      status > 0 ? String(cString: strerror(status)) : "a bundle was refused"
    return told + " (\(why))"
  }
}
