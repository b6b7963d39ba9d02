import CSodium

/// The libraries beneath this module.
public enum CryptoLibrary {
  /// Lets libsodium choose the fastest code for this processor. Call once, before anything else;
  /// without it all results are the same, only slower. False where the library refuses to start.
  public static func start() -> Bool { sodium_init() >= 0 }
}
