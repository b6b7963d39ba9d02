import CHost
import Foundation
import Testing

@testable import Sandbox

/// `fork` is kept from Swift for good reasons; here the child is a whole agent that is going to be killed.
private let fork = unsafeBitCast(
  dlsym(nil, "fork")!, to: (@convention(c) () -> Int32).self)

/// Runs `body` in another process, which is killed with SIGKILL once it has said that it is ready, or ends
/// by itself then. Returns what `body` did.
@discardableResult
func endedAgent(killed: Bool = true, _ body: () -> Int32) -> Int32 {
  var ends: [Int32] = [-1, -1]
  precondition(host_sandbox_pipe(&ends, 0) == 0)
  let pid = fork()
  if pid == 0 {
    var answer = body()
    write(ends[1], &answer, 4)
    while killed { pause() }
    _exit(0)
  }
  close(ends[1])
  var answer: Int32 = 0
  #expect(read(ends[0], &answer, 4) == 4)
  close(ends[0])
  if killed { _ = host_sandbox_kill(pid, 9) }
  waitpid(pid, nil, 0)
  return answer
}

extension WithKernel {
  struct CleanupTests {
    private func processes(owner: String) -> [Int32] {
      StaleCgroups.find(features.cgroups, owner: owner).flatMap { $0.processes() }
    }

    @Test func nothingIsLeftAfterEachWayToEnd() throws {
      let sandbox = makeSandbox(owner: "clean\(getpid())")
      let before = Leftovers.now()
      for script in ["exit 0", "sleep 1000", "(sleep 1000 &) ; head -c 9000000 /dev/zero > /out/x"]
      {
        for moment in 0..<4 {
          let driver = Driver(try sandbox.start(shell(script), nowMs: nowMs()))
          if moment == 1 { driver.turn() }
          if moment == 2 { driver.until { $0.events.contains(.jobStarted) } }
          if moment == 3 {
            driver.until { $0.events.contains(.jobStarted) }
            try driver.process.terminate(.publisher, nowMs: nowMs())
            #expect(driver.untilEnded() != nil)
            try driver.process.collect()
          }
          try driver.process.destroy()
        }
      }
      before.expectNothingMore()
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
    }

    @Test func aKilledAgentsSandboxDiesAndItsTracesAreRemoved() throws {
      let owner = "killed\(getpid())"
      endedAgent {
        let driver = Driver(
          try! makeSandbox(owner: owner).start(shell("sleep 1000"), nowMs: nowMs()))
        driver.until { $0.events.contains(.jobStarted) }
        // Not destroyed: the process is about to be killed.
        _ = Unmanaged.passRetained(driver)
        return 1
      }
      // Process 1 sees the end of its control socket; nobody has to clean for that.
      let end = nowMs() + 10_000
      while !processes(owner: owner).isEmpty && nowMs() < end { usleep(1000) }
      #expect(processes(owner: owner).isEmpty)
      #expect(!cgroupFolders(owner: owner).isEmpty)
      #expect(try makeSandbox(owner: owner).cleanStale() == 1)
      #expect(cgroupFolders(owner: owner).isEmpty)
      #expect(try makeSandbox(owner: owner).cleanStale() == 0)
    }

    @Test func aKilledAgentsFrozenSandboxIsRemovedToo() throws {
      let owner = "frozen\(getpid())"
      endedAgent {
        let driver = Driver(
          try! makeSandbox(owner: owner).start(shell("sleep 1000"), nowMs: nowMs()))
        driver.until { $0.events.contains(.jobStarted) }
        try! driver.process.freeze(nowMs: nowMs())
        driver.until { $0.process.cgroup.isFrozen }
        _ = Unmanaged.passRetained(driver)
        return 1
      }
      #expect(!processes(owner: owner).isEmpty)
      #expect(try makeSandbox(owner: owner).cleanStale() == 1)
      #expect(processes(owner: owner).isEmpty)
      #expect(cgroupFolders(owner: owner).isEmpty)
    }

    @Test func anotherAgentsSandboxesAreLeftAlone() throws {
      let mine = Driver(
        try makeSandbox(owner: "mine\(getpid())").start(shell("sleep 1000"), nowMs: nowMs()))
      mine.until { $0.events.contains(.jobStarted) }
      #expect(try makeSandbox(owner: "other\(getpid())").cleanStale() == 0)
      #expect(try makeSandbox(owner: "min").cleanStale() == 0)
      mine.until(seconds: 1) { $0.process.outcome != nil }
      #expect(mine.process.outcome == nil)
    }

    @Test func manyJobsInARowLeaveNothing() throws {
      let sandbox = makeSandbox(owner: "row\(getpid())")
      let before = Leftovers.now()
      var random = SeededGenerator(seed: 11)
      for _ in 0..<60 {
        let driver = Driver(try sandbox.start(shell("sleep 0.01; exit 7"), nowMs: nowMs()))
        switch Int.random(in: 0..<4, using: &random) {
        case 0: #expect(driver.untilEnded() == .exited(status: 7))
        case 1: driver.until(seconds: 1) { $0.events.contains(.jobStarted) }
        case 2:
          driver.process.awaitFirst()
          _ = host_sandbox_kill(driver.process.firstPid, 9)
        default: driver.turn()
        }
        try driver.process.destroy()
      }
      before.expectNothingMore()
      #expect(cgroupFolders(owner: sandbox.settings.owner).isEmpty)
    }
  }
}
