import Foundation
import Testing

@testable import Host

@Suite struct HostProcessTests {
  @Test func tellsWhyItCannotWrite() throws {
    _ = Reactor()  // From the first on, nobody reading is an error and no signal.
    let full = Descriptor(owning: open("/dev/full", O_WRONLY | O_CLOEXEC))
    #expect(HostProcess.write(full.fd, []) == nil)
    let failure = try #require(HostProcess.write(full.fd, [0x41]))
    #expect(failure.errno == ENOSPC && failure.isUnwritable && !failure.isUnread)
    #expect(failure.message.hasSuffix(": write: No space left on device"))
    let (reading, writing) = try Descriptor.pipe()
    #expect(HostProcess.write(writing.fd, [0x41]) == nil)
    reading.close()
    #expect(HostProcess.write(writing.fd, [0x41])?.isUnread == true)
    // It stays whose it is.
    #expect(writing.fd >= 0 && full.fd >= 0)
  }
}
