import Bitcoin
import Bytes
import Crypto

/// A contract with both signatures: what each side keeps.
public struct SignedContract: Equatable, Sendable {
  public var contract: Contract
  /// Ed25519 over the contract's id, 64 bytes each.
  public var publisherSignature: [UInt8]
  public var providerSignature: [UInt8]

  public init(contract: Contract, publisherSignature: [UInt8], providerSignature: [UInt8]) {
    self.contract = contract
    self.publisherSignature = publisherSignature
    self.providerSignature = providerSignature
  }

  /// Throws `wrongSignature`.
  public func verify() throws(MarketError) {
    try contract.verifyPublisher(publisherSignature)
    try contract.verifyProvider(providerSignature)
  }

  /// The contract's bytes with their length, then both signatures.
  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 640)
    writer.lengthPrefixed(contract.encode())
    writer.append(publisherSignature)
    writer.append(providerSignature)
    return writer.bytes
  }

  /// Offsets in errors of the contract itself count from its first byte. Verifies nothing.
  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> SignedContract {
    var reader = DocumentReader(bytes)
    let contract = try Contract.decode(try reader.bytes("contract", 1...1024))
    let signed = SignedContract(
      contract: contract,
      publisherSignature: try reader.fixed("publisher's signature", Ed25519.signatureLength),
      providerSignature: try reader.fixed("provider's signature", Ed25519.signatureLength))
    try reader.finish()
    return signed
  }
}
