import Testing

@testable import Publisher

/// The last line of a terminal.
struct ProgressLineTests {
  private final class Sink { var bytes: [UInt8] = [] }

  private func line(isShown: Bool = true) -> (ProgressLine, Sink) {
    let sink = Sink()
    return (ProgressLine(isShown: isShown) { sink.bytes += $0 }, sink)
  }

  @Test func itIsReplacedAndMakesRoom() {
    var (line, sink) = line()
    line.show("one", columns: 80, nowMs: 1000)
    #expect(sink.bytes == Array("\rone".utf8))
    // Not more often than anybody reads, nor without news.
    line.show("two", columns: 80, nowMs: 1100)
    line.show("one", columns: 80, nowMs: 5000)
    #expect(sink.bytes == Array("\rone".utf8))
    line.show("two", columns: 80, nowMs: 5000)
    #expect(sink.bytes == Array("\rone\r\u{1b}[K\rtwo".utf8))
    line.clear()
    line.clear()
    #expect(sink.bytes == Array("\rone\r\u{1b}[K\rtwo\r\u{1b}[K".utf8))
    // What took its place is followed by it at once.
    line.show("two", columns: 80, nowMs: 5001)
    #expect(sink.bytes.suffix(4) == Array("\rtwo".utf8)[...])
  }

  @Test func itFitsAndIsOnlyForTerminals() {
    var (narrow, shown) = line()
    narrow.show(String(repeating: "x", count: 50), columns: 20, nowMs: 0)
    #expect(shown.bytes.count == 20)
    var (line, sink) = line(isShown: false)
    line.show("one", columns: 80, nowMs: 0)
    line.clear()
    #expect(sink.bytes.isEmpty)
  }
}
