import Bytes
import CHost

/// Randomness from the kernel.
public enum Entropy {
  /// `count` random bytes, suitable for keys. If the kernel provides none, the process exits with
  /// status 71, because nothing may continue without keys.
  public static func bytes(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let result = host_random(&bytes, UInt64(count))
    if result < 0 {
      let line = "the kernel provides no random bytes: " + HostError.text(-result) + "\n"
      HostProcess.write(2, Array(line.utf8))
      HostProcess.exit(71)
    }
    return bytes
  }

  public static func bytes32() -> Bytes32 { Bytes32(bytes(32)) }

  public static func u64() -> UInt64 {
    var value: UInt64 = 0
    for byte in bytes(8) { value = value << 8 | UInt64(byte) }
    return value
  }
}
