import CSodium

/// The libraries on which this module is built.
public enum CryptoLibrary {
  /// Makes libsodium select the fastest code for this processor. Call it once, first; without it
  /// results are the same, but slower. False if the library fails to start.
  public static func start() -> Bool { sodium_init() >= 0 }
}
