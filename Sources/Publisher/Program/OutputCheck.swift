import Host

/// Whether what a run makes can be written where it is wanted: found out before anybody is paid.
public enum OutputCheck {
  /// Makes the folder if it is not there.
  public static func folder(_ path: String) throws(RunError) {
    do throws(HostError) {
      try Files.makeFolder(path, mode: 0o755)
      try probe(path + "/.zennet")
    } catch { throw .host(error) }
  }

  /// A file to be replaced, or something like `/dev/stdout` to be written to.
  public static func file(_ path: String) throws(RunError) {
    do throws(HostError) {
      if Files.isFolder(path) { throw .notAFile(path: path) }
      if try isReplaced(path) { try probe(path) }
    } catch { throw .host(error) }
  }

  /// Links, pipes and devices are written to where they are.
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
