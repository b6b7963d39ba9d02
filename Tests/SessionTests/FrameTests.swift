import Bytes
import Testing

@testable import Session

@Suite struct FrameTests {
  private let key = Bytes32([UInt8](repeating: 5, count: 32))

  @Test func layout() throws {
    var sender = CipherState(key: key, rekeyInterval: 10)
    var receiver = sender
    var output: [UInt8] = [0xee]
    try Frame.put(.data, stream: 0x0403_0201, into: &output, cipher: &sender) {
      $0.append(contentsOf: [9, 8])
    }
    #expect(output.count == 1 + 2 + 5 + 2 + 16)
    #expect(Array(output[0..<3]) == [0xee, 0, 23])
    try receiver.open(&output, range: 3..<output.count)
    #expect(Array(output[3..<10]) == [4, 1, 2, 3, 4, 9, 8])
  }

  @Test func theLongestFrameFitsItsLength() throws {
    var cipher = CipherState(key: key, rekeyInterval: 10)
    var output: [UInt8] = []
    try Frame.put(.data, stream: 1, into: &output, cipher: &cipher) {
      $0.append(contentsOf: [UInt8](repeating: 0, count: Frame.maximumPayload))
    }
    #expect(Array(output[0..<2]) == [0xff, 0xff])
    #expect(output.count == 2 + 65535)
  }

  @Test func openings() {
    let opening = StreamOpening(
      kind: .fileOut, key: key, sendOffset: UInt64.max, receiveOffset: 1 << 40)
    let payload = opening.encoded(window: 77)
    #expect(payload.count == Frame.openLength)
    let decoded = StreamOpening.decode(payload)
    #expect(decoded?.opening == opening && decoded?.window == 77)
    for length in 0..<payload.count {
      #expect(StreamOpening.decode(Array(payload.prefix(length))) == nil)
    }
    #expect(StreamOpening.decode(payload + [0]) == nil)
  }

  @Test func everyErrorHasAMessageAndACode() {
    let stream = StreamId(raw: 3)
    let errors: [SessionError] = [
      .invalidPeerKey, .handshakeFailed, .wrongIdentity, .handshakeTimedOut, .timedOut,
      .truncated, .notAuthentic, .badLength(3), .malformedFrame(type: 3), .controlTooLong,
      .badStream(stream), .tooManyStreams, .flowControl(stream), .dataAfterEnd(stream),
      .creditOverflow(stream), .nonceExhausted, .closedByPeer(code: 3),
    ]
    for error in errors {
      #expect(error.message.utf8.count > 10)
      #expect(error.closeCode != 0)
    }
    #expect(SessionError.flowControl(stream).message.contains("3"))
  }
}
