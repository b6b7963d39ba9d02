import Foundation
import Testing

@testable import Host

@Suite struct ForkedWorkTests {
  private func end(_ work: ForkedWork) -> ForkedWork.State {
    while true {
      let state = work.read()
      if state != .running { return state }
    }
  }

  @Test func answersWhenItIsReady() throws {
    let work = try ForkedWork(limit: 100_000, limitSeconds: 60) {
      [UInt8](repeating: 7, count: 100_000)
    }
    #expect(end(work) == .done([UInt8](repeating: 7, count: 100_000)))
    #expect(work.read() == .failed)
    // It has nothing of this process but the first three descriptors and the one for its answer.
    let descriptors = try ForkedWork(limitSeconds: 60) {
      (0..<256).filter { fcntl($0, F_GETFD) >= 0 }.map { UInt8($0) }
    }
    #expect(end(descriptors) == .done([0, 1, 2, 3]))
  }

  @Test func whatIsStoppedOrTooLongFails() throws {
    let tooLong = try ForkedWork(limit: 9, limitSeconds: 60) { [UInt8](repeating: 0, count: 10) }
    #expect(end(tooLong) == .failed)
    let slow = try ForkedWork(limitSeconds: 1) {
      while true { usleep(1000) }
    }
    #expect(end(slow) == .failed)
    let stopped = try ForkedWork(limitSeconds: 60) {
      while true { usleep(1000) }
    }
    stopped.stop()
    #expect(stopped.read() == .failed)
  }

  @Test func isReadableWhenReadWouldNotBlock() throws {
    let work = try ForkedWork(limitSeconds: 60) { [1] }
    let reactor = Reactor()
    reactor.watch(work.descriptor, token: 5)
    var state = ForkedWork.State.running
    while state == .running {
      let event = try reactor.next(untilMs: nil)
      #expect(event == .descriptorReadable(5))
      state = work.read()
    }
    #expect(state == .done([1]))
  }
}
