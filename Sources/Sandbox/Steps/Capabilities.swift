import CHost

/// No capability, and no way to get one. capabilities(7).
enum Capabilities {
  static func boundingSteps() -> [Step] {
    [Step("bounding set", HOST_DROP_BOUNDING, HOST_PHASE_CONFINE)]
  }

  static func steps() -> [Step] {
    [Step("capabilities", HOST_DROP_CAPABILITIES, HOST_PHASE_CONFINE)]
  }
}
