import CHost

/// Checks of this kernel and libc that the program depends on.
public enum HostSelfTest {
  public static func run(_ report: (StaticString, Bool) -> Void) {
    let startNs = Clock.monotonicNs()
    report("host: the clock is monotonic", Clock.monotonicNs() >= startNs)
    report("host: entropy", Entropy.bytes32() != Entropy.bytes32())
    report("host: calendar", Timestamp.text(951_782_400) == "2000-02-29T00:00:00Z")
    report("host: error texts", !HostError.text(Int32(HOST_ENOENT)).utf8.isEmpty)
    report("host: loopback by address", (try? echoes("127.0.0.1")) ?? false)
    report("host: loopback by name, looked up in a child", (try? echoes("localhost")) ?? false)
    report("host: forked workers", Parallel.run(2) { [UInt8($0)] } == [[0], [1]])
    report("host: a missing program is reported", missingProgramIsTold())
    report("host: a calendar up to 2106", Timestamp.text(4_294_967_295) == "2106-02-07T06:28:15Z")
    report("host: a file of 5 GiB", largeFileHolds())
    report("host: a timer in a hundred years", farTimerWaits())
    report("host: released memory is erased", releasedMemoryIsErased())
  }

  /// Sends a byte to a listener of this process and back.
  private static func echoes(_ host: String) throws(HostError) -> Bool {
    let reactor = Reactor()
    let listener = try reactor.listen(on: .tcp(host: "127.0.0.1", port: 0))
    guard let port = reactor.address(of: listener)?.port else { return false }
    let near = reactor.connect(to: .tcp(host: host, port: port))
    _ = reactor.send(near, [42])
    let untilMs = Clock.monotonicMs() + 10_000
    while let event = try reactor.next(untilMs: untilMs) {
      switch event {
      case .received(near, let bytes): return bytes == [42]
      case .received(let far, let bytes): _ = reactor.send(far, bytes)
      case .closed: return false
      default: break
      }
    }
    return false
  }

  private static func missingProgramIsTold() -> Bool {
    do throws(HostError) {
      _ = try ChildProcess(["/no/such/program"])
      return false
    } catch { return error.isNotFound }
  }

  /// A sparse file: it uses two pages of the disk.
  private static func largeFileHolds() -> Bool {
    let offset: UInt64 = 5 << 30
    for folder in ["/tmp", "/dev/shm", "/run", "."] {
      guard let file = try? ScratchFile(in: folder) else { continue }
      if !file.write(at: offset, [1, 2, 3]) || !file.write(at: 0, [9]) { continue }
      return file.read(at: offset, count: 3) == [1, 2, 3] && file.read(at: 0, count: 1) == [9]
        && file.read(at: offset + 3, count: 1) == nil
    }
    return false
  }

  private static func farTimerWaits() -> Bool {
    let reactor = Reactor()
    let nowMs = Clock.monotonicMs()
    reactor.setTimer(1, atMs: nowMs + 3_155_760_000_000)
    reactor.setTimer(2, atMs: nowMs + 1)
    guard let first = try? reactor.next(untilMs: nowMs + 10_000) else { return false }
    return first == .timerFired(2) && (try? reactor.next(untilMs: nowMs + 5)) == .some(nil)
  }

  /// Only the static agent erases: what Swift releases goes through `host_release` there.
  private static func releasedMemoryIsErased() -> Bool {
    if host_erases_released() == 0 { return true }
    var secret = [UInt8](repeating: 0xA5, count: 100)
    guard let start = secret.withUnsafeBufferPointer({ $0.baseAddress }) else { return false }
    let held = holds(start, count: 100)
    secret = []
    return held && !holds(start, count: 100) && secret.isEmpty
  }

  /// Whether any of these bytes is 0xA5. They may be released: musl keeps its pages of small blocks.
  private static func holds(_ start: UnsafePointer<UInt8>, count: Int) -> Bool {
    host_has_byte(start, UInt64(count), 0xA5) == 1
  }
}
