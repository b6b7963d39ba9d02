import CHost

/// A confined child unpacks the bundle into the new root, through the mount that was held: see
/// ``BundleUnpacker``.
enum Bundle {
  static func unpackSteps() -> [Step] {
    [Step("unpack", HOST_UNPACK, HOST_PHASE_INNER)]
  }
}
