import CHost

/// Process 1 is a fork of the agent: nobody inside may look into its memory or its descriptors, and
/// nothing in the agent's keyring comes along. prctl(2): PR_SET_DUMPABLE; keyctl(2).
enum Secrecy {
  static func steps() -> [Step] {
    [
      Step("undumpable", HOST_UNDUMPABLE, HOST_PHASE_INNER),
      // A kernel without keyrings has none to hide.
      Step("session keyring", HOST_NEW_KEYRING, HOST_PHASE_INNER).optional,
    ]
  }
}
