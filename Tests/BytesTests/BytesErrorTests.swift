import Testing

@testable import Bytes

@Suite struct BytesErrorTests {
  @Test func everyErrorNamesItsPlace() {
    let errors: [(BytesError, String)] = [
      (.truncated(offset: 7, needed: 3), "byte 7: ends early, 3 more bytes were expected"),
      (.tooLarge(offset: 7, value: 9, limit: 8), "byte 7: 9 is above the limit of 8"),
      (.nonCanonical(offset: 7), "byte 7: a number is not in its shortest form"),
      (.trailing(offset: 7), "byte 7: bytes follow the end of the document"),
      (.invalid(offset: 7), "byte 7: not allowed here"),
    ]
    for (error, message) in errors {
      #expect(error.offset == 7)
      #expect(error.message == message)
    }
  }
}
