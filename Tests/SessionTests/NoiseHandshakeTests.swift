import Bytes
import Crypto
import Testing

@testable import Session

/// A published test vector of `Noise_XK_25519_ChaChaPoly_SHA256`; everything is hexadecimal.
struct NoiseVector: Sendable, CustomTestStringConvertible {
  let name: String
  let prologue: String
  let initiatorStatic: String
  let initiatorEphemeral: String
  let responderStaticPublic: String
  let responderStatic: String
  let responderEphemeral: String
  let handshakeHash: String?
  /// Payload and ciphertext, in turn from the initiator and the responder.
  let messages: [(payload: String, ciphertext: String)]

  /// From the test vectors of cacophony (John Galt, public domain), github.com/haskell-cryptography/
  /// cacophony, vectors/cacophony.txt.
  static let cacophony = NoiseVector(
    name: "cacophony",
    prologue: "4a6f686e2047616c74",
    initiatorStatic: "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
    initiatorEphemeral: "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
    responderStaticPublic: "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
    responderStatic: "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
    responderEphemeral: "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
    handshakeHash: "cefffc5d1074126cc980ebfe902587ff36ba61dc77d4447ebe0f96dc22ae59d7",
    messages: [
      (
        "4c756477696720766f6e204d69736573",
        "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944a3785af283c991bab61347"
          + "3804356ef6931f83acf64f99c274b93570857cfc5e"
      ),
      (
        "4d757272617920526f746862617264",
        "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088433a4534805fa9fe4eb8343a"
          + "ce6609160c767ad9b832e8eea1d9b7a2111818dd"
      ),
      (
        "462e20412e20486179656b",
        "5d8e67b9c1b8e36f5dc674bc5cd2ce243fb5d1710fa57de0370da7cc979015398eaad94603b05498ba9a61"
          + "3d2fd923dcaa6fd4288dfd8d70f419bf737efb4cd37f5da37ebb728849318c82"
      ),
      ("4361726c204d656e676572", "3205e1265f809505e6edc092839d3156745d2abafbfd946b261e41"),
      (
        "4a65616e2d426170746973746520536179",
        "470bcb1ae099555ff0d729500df550418d6ee5149d9e40bd2f4c6b3d263cc818d5"
      ),
      (
        "457567656e2042f6686d20766f6e2042617765726b",
        "d7187ed9d217ba6e91cf596e4871012ccedf7b5bed0d4cb8f7affb020fa17a95a23371e0f6"
      ),
    ])

  /// From the test vectors of snow (Jake McGinty), github.com/mcginty/snow, tests/vectors/snow.txt.
  static let snow = NoiseVector(
    name: "snow",
    prologue: "5468657265206973206e6f20726967687420616e642077726f6e672e20546865726527"
      + "73206f6e6c792066756e20616e6420626f72696e672e",
    initiatorStatic: "d79245fc228517d26ab3026f901e6de5e87029f62f5337bb7aeaf290630663c5",
    initiatorEphemeral: "821a1cfc35eafdfd7ceec182cea0b46a8b41715f8b1a6c3255da349a4205a912",
    responderStaticPublic: "baa04200175deb54e07ebee17c69f8a464400d33504a8f0b960a49638712df5c",
    responderStatic: "41f32f158d5bde75b0814850d79885e717c1858b34ae1787911dabb846dfb28a",
    responderEphemeral: "d3d600d3d556e1819de798950067a5b9f07977aa4dfc7ccea983bccc4f92ed5d",
    handshakeHash: nil,
    messages: [
      (
        "5ff166c364c401f5cccefe5dbef2399eb35af4f77373ac26e98cc2178b3d4f05",
        "e72ac10bdc197cc923051ac8ce5e8f952873928d4c0be6bc3e1ce2c44a5d8948fcff0ce5c4eb228940fa1f"
          + "01db75144acf89e5f5fe3f456ebb2439d1c59e430840751ef5f93567d268d5399b78c56137"
      ),
      (
        "44d9a8b2dfc5e4db9109c08e7345ad331bc74d16d5580a0ccab5695a0d4ea406",
        "573253370220f0dcfae0ff8f800d885f67aaa0aabf13191e4b17241b0a50ba1721b33d6f53bb9147724bb5"
          + "f9b80347d4151c68de9ecd62170433df78eb5e3dee843ced53014a2922d7f7c7a447ddc347"
      ),
      (
        "82e4f70bd164c183c4d116f4d18e92c1e8c57257dcc5414b10e1df7ba66490dc",
        "7aee57bc9c27b1489388b1b114335b1c777a242dd3f199d0a44cf3588910371cfefaced10536e91859a496"
          + "caeb78f52e63d3703766c33e05bbd94c985421e1d1461d769fd6b9f333b32ca30cb17ee09ac7af9b7499"
          + "a5a8d0a3e19aff0e1dd055"
      ),
      (
        "534f98102268d35aed2ad42b7929840845b67f3d1e27fa05b9365675cdf9ecf3",
        "c837eb9eba146171756bdc87f554052496e2ccc7c8e7a224d49a53302240134c9925c8919662f162f8e086"
          + "dc93694eb1"
      ),
      (
        "7cdebd667263c56a74ed30fcc0783f4ee90b17cc4e8c4c31e47f81484211caf1",
        "553d810ba41db883b8f990b088f834eecf960c66dc63c65eefef0a51e5661289069ce103e5c9b742ae3380"
          + "6d383eb2a1"
      ),
    ])

  var testDescription: String { name }

  func ends() throws(SessionError) -> (initiator: NoiseHandshake, responder: NoiseHandshake) {
    let prologueBytes = Hex.decode(prologue)!
    let initiator = try NoiseHandshake(
      role: .initiator, staticSecret: Bytes32(hex: initiatorStatic)!,
      remoteStatic: Bytes32(hex: responderStaticPublic)!,
      ephemeralSecret: Bytes32(hex: initiatorEphemeral)!, prologue: prologueBytes)
    let responder = try NoiseHandshake(
      role: .responder, staticSecret: Bytes32(hex: responderStatic)!, remoteStatic: nil,
      ephemeralSecret: Bytes32(hex: responderEphemeral)!, prologue: prologueBytes)
    return (initiator, responder)
  }
}

@Suite struct NoiseHandshakeTests {
  @Test(arguments: [NoiseVector.cacophony, NoiseVector.snow])
  func publishedVector(vector: NoiseVector) throws {
    var (initiator, responder) = try vector.ends()
    for (index, message) in vector.messages[0..<3].enumerated() {
      let payload = Hex.decode(message.payload)!
      let written: [UInt8]
      let read: [UInt8]
      if index == 1 {
        written = try responder.writeMessage(payload: payload)
        read = try initiator.readMessage(written)
      } else {
        written = try initiator.writeMessage(payload: payload)
        read = try responder.readMessage(written)
      }
      #expect(Hex.encode(written) == message.ciphertext)
      #expect(read == payload)
    }
    #expect(initiator.isComplete && responder.isComplete)
    #expect(initiator.handshakeHash == responder.handshakeHash)
    if let hash = vector.handshakeHash { #expect(initiator.handshakeHash.hex == hash) }
    #expect(
      responder.remoteStatic == X25519.publicKey(of: Bytes32(hex: vector.initiatorStatic)!))

    var (toResponder, fromResponder) = initiator.split(rekeyInterval: 1000)
    var (toInitiator, fromInitiator) = responder.split(rekeyInterval: 1000)
    for (index, message) in vector.messages.enumerated().dropFirst(3) {
      var bytes = Hex.decode(message.payload)!
      if index % 2 == 0 {
        try toResponder.seal(&bytes, from: 0)
        #expect(Hex.encode(bytes) == message.ciphertext)
        try fromInitiator.open(&bytes, range: 0..<bytes.count)
      } else {
        try toInitiator.seal(&bytes, from: 0)
        #expect(Hex.encode(bytes) == message.ciphertext)
        try fromResponder.open(&bytes, range: 0..<bytes.count)
      }
      #expect(Hex.encode(Array(bytes.dropLast(16))) == message.payload)
    }
  }
}
