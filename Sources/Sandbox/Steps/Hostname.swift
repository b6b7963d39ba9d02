import CHost

/// The job sees its own name, not the machine's, and no domain. uts_namespaces(7).
enum Hostname {
  static func steps(_ context: PlanContext) -> [Step] {
    var step = Step("host name", HOST_HOSTNAME, HOST_PHASE_INNER)
    step.text = context.spec.name
    return [step]
  }
}
