import CHost

/// The network namespace has one device, and it leads nowhere. The zygote makes it ahead where nobody asked
/// for anything meanwhile and root runs it; otherwise the first child makes it while process 1 mounts, as
/// both take about as long. network_namespaces(7).
enum Network {
  static func aheadSteps() -> [Step] {
    [Step("network made ahead", HOST_TAKE_NETWORK, HOST_PHASE_OUTER)]
  }

  static func besideSteps() -> [Step] {
    [Step("network namespace", HOST_MAKE_NETWORK, HOST_PHASE_BESIDE)]
  }

  static func joinSteps() -> [Step] {
    [Step("network", HOST_JOIN_NETWORK, HOST_PHASE_INNER)]
  }
}
