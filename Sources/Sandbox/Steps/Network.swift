import CHost

/// The network namespace has one device, and it leads nowhere. The first child makes it while process 1
/// mounts, as both take about as long. network_namespaces(7).
enum Network {
  static func besideSteps() -> [Step] {
    var unshare = Step("network namespace", HOST_UNSHARE, HOST_PHASE_BESIDE)
    unshare.a = Namespace.net
    return [unshare, Step("loopback", HOST_LOOPBACK_UP, HOST_PHASE_BESIDE)]
  }

  static func joinSteps() -> [Step] {
    [Step("network", HOST_JOIN_NETWORK, HOST_PHASE_INNER)]
  }
}
