import Bytes

/// One input of a transaction, with its witness stack (BIP144).
public struct TransactionInput: Equatable, Sendable {
  public var previous: OutPoint
  public var scriptSig: [UInt8]
  public var sequence: UInt32
  public var witness: [[UInt8]]

  /// `sequence` 0xfffffffd lets the lock time count (and signals replaceability, BIP125).
  public init(
    previous: OutPoint, scriptSig: [UInt8] = [], sequence: UInt32 = 0xffff_fffd,
    witness: [[UInt8]] = []
  ) {
    self.previous = previous
    self.scriptSig = scriptSig
    self.sequence = sequence
    self.witness = witness
  }
}
