import CHost

/// The network namespace has one device, and it leads nowhere. network_namespaces(7).
enum Loopback {
  static func steps() -> [Step] {
    [Step("loopback", HOST_LOOPBACK_UP, HOST_PHASE_INNER)]
  }
}
