import CHost

/// Nothing of the job happens before the agent says so: it may have something to put on the disk first, and
/// the walls are made meanwhile.
enum Beginning {
  static func steps() -> [Step] { [Step("beginning", HOST_AWAIT_GO, HOST_PHASE_INNER)] }
}
