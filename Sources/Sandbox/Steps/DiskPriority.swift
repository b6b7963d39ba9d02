import CHost

/// Whatever the job makes the disk do (its files are in memory, so: hardly anything) is done when nobody
/// else wants the disk. ioprio_set(2): the idle class.
enum DiskPriority {
  static func steps() -> [Step] {
    var step = Step("disk priority", HOST_IO_PRIORITY, HOST_PHASE_OUTER)
    step.a = 3 << 13
    return [step.optional]
  }
}
