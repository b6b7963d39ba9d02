import CHost

/// Executing a file never gives rights: set-user-id bits and file capabilities mean nothing. prctl(2).
enum NoNewPrivileges {
  static func steps() -> [Step] {
    [Step("no new privileges", HOST_NO_NEW_PRIVILEGES, HOST_PHASE_CONFINE)]
  }
}
