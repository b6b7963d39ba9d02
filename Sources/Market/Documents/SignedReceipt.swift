import Bitcoin
import Bytes
import Crypto

/// A receipt with both signatures; the publisher's is empty where it never answered.
public struct SignedReceipt: Equatable, Sendable {
  public var receipt: Receipt
  public var providerSignature: [UInt8]
  public var publisherSignature: [UInt8]

  public init(receipt: Receipt, providerSignature: [UInt8], publisherSignature: [UInt8] = []) {
    self.receipt = receipt
    self.providerSignature = providerSignature
    self.publisherSignature = publisherSignature
  }

  /// Throws `wrongSignature` unless both parties of `contract` signed.
  public func verify(_ contract: Contract) throws(MarketError) {
    try receipt.verify(providerSignature, by: contract.provider)
    try receipt.verify(publisherSignature, by: contract.publisher)
  }

  /// Receipt, signature of the provider, signature of the publisher, each with its length.
  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 384)
    writer.lengthPrefixed(receipt.encode())
    writer.lengthPrefixed(providerSignature)
    writer.lengthPrefixed(publisherSignature)
    return writer.bytes
  }

  /// Offsets in errors of the receipt itself count from its first byte. Verifies nothing.
  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> SignedReceipt {
    var reader = DocumentReader(bytes)
    let receipt = try Receipt.decode(try reader.bytes("receipt", 1...512))
    let signed = SignedReceipt(
      receipt: receipt,
      providerSignature: try reader.bytes("provider's signature", 0...Ed25519.signatureLength),
      publisherSignature: try reader.bytes("publisher's signature", 0...Ed25519.signatureLength))
    try reader.finish()
    return signed
  }
}
