import Foundation
import Host

/// The entries of a local folder that becomes a bundle or a copy.
enum FolderEntries {
  struct Entry {
    var name: String
    var path: String
    var status: Files.Status
  }

  /// Sorted by their names' bytes. Nothing is left out: an entry that cannot be read is an error.
  static func list(_ folder: String) throws(HostError) -> [Entry] {
    var entries: [Entry] = []
    for name in try Files.list(folder) {
      let path = folder + "/" + name
      guard let status = try Files.status(path) else {
        throw .failed(
          errno: ENOENT, operation: "its name is not UTF-8, or it was removed", subject: path)
      }
      entries.append(Entry(name: name, path: path, status: status))
    }
    return entries
  }
}
