import Bytes
import Crypto

/// A provider's description and measurements of its host, dated by a block and signed by its
/// identity. The signature proves the author, and that the report is newer than the block; it does
/// not prove that the report is true.
public struct CapabilityReport: Equatable, Sendable {
  /// The provider's Ed25519 identity.
  public var identity: Bytes32
  public var blockHeight: UInt32
  /// In wire order. The kernels' seed is derived from it and the identity.
  public var blockHash: Bytes32
  /// Seconds since 1970, by the host's own clock.
  public var unixSeconds: UInt64
  /// For example `x86_64`: 1 to 32 letters, digits, `_` and `-`.
  public var architecture: String
  public var processors: UInt16
  public var memoryMiB: UInt32
  /// The isolation of tasks: 0 none, 1 reduced, 2 full.
  public var isolation: UInt8
  /// In ascending order of kernel numbers, each at most once.
  public var results: [KernelResult]
  /// Ed25519 over ``digest``, 64 bytes; empty until signed.
  public var signature: [UInt8]

  static let version: UInt16 = 1
  /// The largest report, in bytes.
  public static let sizeLimit = 1024

  public init(
    identity: Bytes32, blockHeight: UInt32, blockHash: Bytes32, unixSeconds: UInt64,
    architecture: String, processors: UInt16, memoryMiB: UInt32, isolation: UInt8,
    results: [KernelResult], signature: [UInt8] = []
  ) {
    self.identity = identity
    self.blockHeight = blockHeight
    self.blockHash = blockHash
    self.unixSeconds = unixSeconds
    self.architecture = architecture
    self.processors = processors
    self.memoryMiB = memoryMiB
    self.isolation = isolation
    self.results = results
    self.signature = signature
  }

  /// The digest of everything before the signature.
  public var digest: Bytes32 { Sha256.tagged("zennet/report", body()) }

  /// The seed that its kernels must use.
  public var seed: Bytes32 { Benchmark.seed(blockHash: blockHash, identity: identity) }

  public mutating func sign(_ keys: Ed25519.KeyPair) {
    identity = keys.publicKey
    signature = keys.sign(digest.array)
  }

  /// Throws `wrongSignature`.
  public func verify() throws(CapabilityError) {
    if !Ed25519.verify(signature, of: digest.array, by: identity) { throw .wrongSignature }
  }

  /// Nil if the kernel is missing or was not measured.
  public func result(_ kernel: Kernel) -> KernelResult? {
    for result in results where result.kernel == kernel && result.status == .measured {
      return result
    }
    return nil
  }

  /// Recomputes a kernel's checksum and compares it; nil if ``Benchmark/checksum(of:seed:rounds:)``
  /// does not support the kernel.
  public func recheck(_ kernel: Kernel) -> Bool? {
    guard let result = result(kernel) else { return nil }
    return Benchmark.checksum(of: kernel, seed: seed, rounds: result.rounds).map {
      $0 == result.checksum
    }
  }
}
