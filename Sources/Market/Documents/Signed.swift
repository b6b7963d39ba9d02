import Bitcoin
import Bytes
import Crypto

/// A document that the parties of a lease sign: fixed order, version byte first. What is signed is the
/// digest, which also names the document.
public protocol SignedBody: Equatable, Sendable {
  /// In errors.
  static var name: StaticReason { get }
  /// Domain of the digest.
  static var tag: String { get }
  func encode() -> [UInt8]
  static func decode(_ bytes: [UInt8]) throws(MarketError) -> Self
}

extension SignedBody {
  public var digest: Bytes32 { Sha256.tagged(Self.tag, encode()) }

  /// Ed25519 over ``digest``, 64 bytes.
  public func sign(_ identity: Ed25519.KeyPair) -> [UInt8] { identity.sign(digest.array) }

  /// Throws `wrongSignature`.
  public func verify(_ signature: [UInt8], by identity: Bytes32) throws(MarketError) {
    if !Ed25519.verify(signature, of: digest.array, by: identity) {
      throw MarketError.wrongSignature(Self.name)
    }
  }
}

/// A document with the signatures of both parties; one that is still missing is empty.
public struct Signed<Body: SignedBody>: Equatable, Sendable {
  public var body: Body
  /// Ed25519 over the body's digest, 64 bytes, or empty.
  public var publisherSignature: [UInt8]
  public var providerSignature: [UInt8]

  public init(_ body: Body, publisherSignature: [UInt8] = [], providerSignature: [UInt8] = []) {
    self.body = body
    self.publisherSignature = publisherSignature
    self.providerSignature = providerSignature
  }

  public var isComplete: Bool { !publisherSignature.isEmpty && !providerSignature.isEmpty }

  /// Throws `wrongSignature` unless both signed.
  public func verify(publisher: Bytes32, provider: Bytes32) throws(MarketError) {
    try body.verify(publisherSignature, by: publisher)
    try body.verify(providerSignature, by: provider)
  }

  /// The body's bytes, the publisher's signature, the provider's, each with its length.
  public func encode() -> [UInt8] {
    var writer = ByteWriter(reserving: 640)
    writer.lengthPrefixed(body.encode())
    writer.lengthPrefixed(publisherSignature)
    writer.lengthPrefixed(providerSignature)
    return writer.bytes
  }

  /// Offsets in errors of the body count from its first byte. Verifies nothing.
  public static func decode(_ bytes: [UInt8]) throws(MarketError) -> Signed<Body> {
    var reader = DocumentReader(bytes)
    let body = try Body.decode(try reader.bytes(Body.name, 1...Limits.maxDocumentBytes))
    let signed = Signed(
      body, publisherSignature: try signature("publisher's signature", &reader),
      providerSignature: try signature("provider's signature", &reader))
    try reader.finish()
    return signed
  }

  private static func signature(
    _ field: StaticReason, _ reader: inout DocumentReader
  ) throws(MarketError) -> [UInt8] {
    let start = reader.offset
    let bytes = try reader.bytes(field, 0...Ed25519.signatureLength)
    if !bytes.isEmpty && bytes.count != Ed25519.signatureLength {
      throw reader.refuse(field, at: start, "not 64 bytes")
    }
    return bytes
  }
}
