import Foundation
import Testing

@testable import Host

@Suite struct ParallelTests {
  @Test func answersComeInOrder() {
    let answers = Parallel.run(4) { number in
      usleep((4 - number) * 5000)
      return [UInt8(number), UInt8(number)]
    }
    #expect(answers == [[0, 0], [1, 1], [2, 2], [3, 3]])
    #expect(Parallel.run(0) { _ in [1] } == [])
    let long = Parallel.run(2, limit: 300_000) { [UInt8](repeating: UInt8($0), count: 300_000) }
    #expect(long?.map { $0.count } == [300_000, 300_000])
  }

  @Test func oneThatFailsFailsAll() {
    #expect(
      Parallel.run(3) { number in
        if number == 1 { kill(getpid(), SIGKILL) }
        return [1]
      } == nil)
    #expect(Parallel.run(2, limit: 9) { [UInt8](repeating: 0, count: 9 + Int($0)) } == nil)
    #expect(
      Parallel.run(2, limitSeconds: 1) { number in
        while number == 1 { usleep(1000) }
        return []
      } == nil)
  }
}

@Suite struct ScratchFileTests {
  @Test func keepsBytesAndNoName() throws {
    let scratch = try Scratch()
    let file = try ScratchFile(in: scratch.path)
    #expect(try Files.list(scratch.path).isEmpty)
    #expect(file.write(at: 10, [1, 2, 3]))
    #expect(file.sync())
    file.dropCache()
    #expect(file.read(at: 9, count: 4) == [0, 1, 2, 3])
    #expect(file.read(at: 11, count: 3) == nil)
    #expect(throws: HostError.self) { try ScratchFile(in: scratch.file("missing")) }
  }
}

@Suite struct TerminalTests {
  @Test func isRawUntilItIsRestored() throws {
    let leader = open("/dev/ptmx", O_RDWR | O_NOCTTY)
    try #require(leader >= 0)
    defer { close(leader) }
    var isLocked: Int32 = 0
    var number: Int32 = 0
    // Unlock the terminal and ask for its number, as unlockpt(3) and ptsname(3) do.
    try #require(ioctl(leader, 0x4004_5431, &isLocked) == 0)
    try #require(ioctl(leader, 0x8004_5430, &number) == 0)
    let follower = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
    try #require(follower >= 0)
    defer { close(follower) }
    var size = winsize(ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0)
    #expect(ioctl(leader, UInt(TIOCSWINSZ), &size) == 0)
    func echoes() -> Bool {
      var settings = termios()
      tcgetattr(follower, &settings)
      return settings.c_lflag & tcflag_t(ECHO) != 0
    }
    let terminal = Terminal(fd: follower)
    #expect(terminal.size?.columns == 80 && terminal.size?.rows == 24)
    #expect(Terminal.isTerminal(follower) && echoes())
    try terminal.makeRaw()
    #expect(!echoes())
    terminal.restore()
    #expect(echoes())
    let pipe = try Descriptor.pipe()
    #expect(Terminal(fd: pipe.reading.fd).size == nil)
    #expect(throws: HostError.self) { try Terminal(fd: pipe.reading.fd).makeRaw() }
  }
}
