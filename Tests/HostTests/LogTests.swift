import Foundation
import TestSupport
import Testing

@testable import Host

@Suite struct LogTests {
  private func line(_ text: String, isColoured: Bool = false) -> String {
    String(
      decoding: Log.line(
        .warning, text, unixSeconds: 1_700_000_000, milliseconds: 7, isColoured: isColoured),
      as: UTF8.self)
  }

  @Test func oneLineEach() {
    #expect(line("hi") == "2023-11-14T22:13:20.007Z warning hi\n")
    #expect(
      line("hi", isColoured: true)
        == "2023-11-14T22:13:20.007Z \u{1b}[33mwarning hi\u{1b}[0m\n")
  }

  @Test func nothingReachesTheTerminalAsACommand() {
    #expect(line("a\nb\u{1b}[2Jc\u{7f}é").hasSuffix("a?b?[2Jc?é\n"))
    #expect(line("a\u{9b}2J\u{202e}b\tc").hasSuffix("a?2J?b?c\n"))
  }

  @Test func leavesOutWhatIsLessImportant() {
    var wasAsked = false
    Log(least: .error).info(
      {
        wasAsked = true; return ""
      }())
    #expect(!wasAsked)
  }

  /// Against the calendar of Foundation.
  @Test func datesAreRight() {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.timeZone = TimeZone(identifier: "UTC")
    formatter.dateFormat = "yyyy-MM-dd'T'HH:mm:ss'Z'"
    var random = SeededGenerator(seed: 3)
    let special: [UInt64] = [
      0, 951_782_400, 951_868_799, 951_868_800, 4_107_542_400, 253_402_300_799,
    ]
    let drawn = (0..<2000).map { _ in random.next() % 253_402_300_800 }
    for seconds in special + drawn {
      let date = Date(timeIntervalSince1970: TimeInterval(seconds))
      #expect(Timestamp.text(seconds) == formatter.string(from: date))
    }
  }
}
