import Foundation
import Market

extension ExitKind {
  /// For people: `exited 3`, `never-ran 2 (No such file or directory)`.
  func told(_ status: Int32) -> String {
    let told = text + " \(status)"
    return self == .neverRan && status > 0 ? told + " (\(String(cString: strerror(status))))" : told
  }
}
