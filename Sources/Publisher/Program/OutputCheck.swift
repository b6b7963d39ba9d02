import Host

/// Checks that output files can be written, before any payment is made.
public enum OutputCheck {
  /// Creates the folder if it is missing.
  public static func folder(_ path: String) throws(RunError) {
    do throws(HostError) {
      try Files.makeFolder(path, mode: 0o755)
      try probe(path + "/.zennet")
    } catch { throw .host(error) }
  }

  /// Checks a file to replace, or a target such as `/dev/stdout`.
  public static func file(_ path: String) throws(RunError) {
    do throws(HostError) {
      if Files.isFolder(path) { throw .notAFile(path: path) }
      if try isReplaced(path) { try probe(path) }
    } catch { throw .host(error) }
  }

  /// Whether the target is replaced as a file; links, pipes and devices are written to in place.
  static func isReplaced(_ path: String) throws(HostError) -> Bool {
    let kind = try Files.status(path)?.kind
    return kind == nil || kind == .file
  }

  private static func probe(_ path: String) throws(HostError) {
    let probe = path + ".probe-\(Machine.processId)"
    try Files.writeAtomically(probe, [])
    try Files.remove(probe)
  }
}
